import { strict as assert } from 'node:assert';
import type { ClusterliftError } from '../../../../src/base/errors';
import type { NodeFacts } from '../../../../src/cluster/facts';
import { checkClusters } from '../../../../src/cluster/load';
import type { Cluster } from '../../../../src/cluster/model';
import type { HeldLock } from '../../../../src/engine/node/lock';
import { recordText } from '../../../../src/engine/node/record';
import type { CheckedPackage, CheckInput, NodeProbe } from '../../../../src/engine/prepare/check-input';
import { checkAll } from '../../../../src/engine/prepare/checks';
import { blocksOf } from '../../../../src/engine/prepare/findings';
import { installedScripts } from '../../../../src/engine/prepare/installed';
import { versionScriptFailed } from '../../../../src/engine/steps/version';
import { manifestOf } from '../../../../src/package/manifest';
import { scriptStart } from '../../../../src/package/script-start';
import { nodeModel } from '../plans';

const OLD = '20260101T000000Z-test-aaaa';
const NEW = '20260301T000000Z-test-bbbb';

describe('the checks', () => {
  it('without a plan to change anything name locks, living jobs and the missing backup, too', () => {
    assert.deepEqual(codes({ facts: {}, lock: held() }), ['locked', 'no-backup']);
    assert.deepEqual(
      blocksOf(checked({ facts: {}, lock: held() })).map(({ code }) => code),
      ['locked'],
    );
    const jobs = [{ id: `${OLD}.n1.upgrade.1`, run: OLD, state: 'running' as const }];
    assert.deepEqual(codes({ facts: { openJobs: jobs } }), ['job-running', 'no-backup']);
  });

  it('name a run that the node has not seen the end of, and refuse nothing for it', () => {
    const [told] = checked({ facts: { openRuns: [OLD] } });
    assert.equal(told?.code, 'unfinished-run');
    assert.equal(told.level, 'warn');
    assert.match(told.fix, new RegExp(`clusterlift resume ${OLD}`));
    assert.deepEqual(codes({ facts: { openRuns: ['2026 x; rm -rf ~'] } }), ['no-backup']);
  });

  it('offer to take a run from the nodes only where all of them were locked last by it', () => {
    const fixes = (...claims: (string | undefined)[]): string[] => {
      const probes = claims.map((lastClaim) => probeOf({ facts: { openRuns: [OLD], lastClaim } }));
      const input = { cluster: CLUSTER, probes, package: undefined, backup: 'x', primaryLeftOut: false, overrides: [] };
      return checkAll(input).map(({ fix }) => fix);
    };
    for (const fix of fixes(OLD, OLD)) assert.match(fix, /--from-nodes/);
    for (const claims of [[undefined], [NEW], [OLD, undefined], [OLD, NEW]]) {
      for (const fix of fixes(...claims)) assert.doesNotMatch(fix, /--from-nodes/);
    }
  });

  it('do not name a run twice that holds the lock, nor one that a later run has settled', () => {
    assert.deepEqual(codes({ facts: { openRuns: [OLD] }, lock: held() }), ['locked', 'no-backup']);
    const later = product('acme', 'done', NEW);
    assert.deepEqual(codes({ facts: { openRuns: [OLD], products: [later] } }), ['no-backup']);
    const failed = product('acme', 'failed', NEW);
    assert.deepEqual(codes({ facts: { openRuns: [OLD], products: [failed] } }), ['unfinished-run', 'no-backup']);
  });

  it('leave what a node keeps at the version from before, where its last upgrade failed', () => {
    const kept = { ...product('acme', 'failed', NEW), manifest: JSON.stringify(MANIFEST), files: '/var/lib/x/files' };
    const pkg = installedScripts(probeOf({ facts: { products: [kept] } }), () => assert.fail('nothing is read'));
    assert.equal(pkg?.version, '1.0');
  });

  it('take an override for all nodes, or for the one that it names', () => {
    const newer = { facts: {}, version: '3.0' };
    const blocks = (override: string): string[] => blocksOf(checked(newer, [override])).map(({ code }) => code);
    assert.deepEqual(blocks('product'), ['downgrade']);
    assert.deepEqual(blocks('downgrade=n2'), ['downgrade']);
    assert.deepEqual(blocks('downgrade=n1'), []);
    assert.deepEqual(blocks('downgrade'), []);
  });

  it('block a node that is sick before the run, and only tell it where the run mends it', () => {
    const sick = (version: string, state: 'done' | 'failed'): NodeProbe => ({
      ...probeOf({ facts: {}, version }),
      installed: {
        record: { state, time: 1, run: OLD, product: 'acme', from: '0.9', to: version, sha256: '0'.repeat(64) },
        version,
        versionFrom: 'script',
        versionError: undefined,
        health: {
          name: 'health',
          rc: 3,
          stdout: 'no database\n',
          stderr: '',
          requests: { reboot: false, provision: false, messages: [], ignored: [] },
        },
      },
    });
    const well = (version: string): NodeProbe => probeOf({ facts: {}, version });
    const levels = (...probes: NodeProbe[]): string[] =>
      checkAll({ ...input([]), probes }).flatMap(({ code, level }) => (code === 'unhealthy' ? [level] : []));
    assert.deepEqual(levels(well('1.0')), []);
    assert.deepEqual(levels(sick('1.0', 'done'), well('1.0')), ['block']);
    assert.deepEqual(levels(sick('1.0', 'done'), sick('1.0', 'done')), ['block', 'block']);
    assert.deepEqual(levels(sick('1.0', 'failed'), well('2.0')), ['warn']);
    assert.deepEqual(levels(sick('2.0', 'done'), well('2.0')), ['warn']);
    assert.deepEqual(levels(sick('2.0', 'done'), well('1.0')), ['block']);
    const [found] = checkAll({ ...input(['unhealthy=n1']), probes: [sick('1.0', 'done')] });
    assert.deepEqual([found?.code, found?.overridden], ['unhealthy', true]);
    assert.match(found?.message ?? '', /ends with status 3: no database/);
  });

  it('name the interpreter that a node lacks, before anything is stopped', () => {
    const of = (path: string, text: string, commands: Record<string, boolean> = {}): string[] =>
      checked({ facts: { commands } }, [], { ...PACKAGE, starts: [scriptStart(path, Buffer.from(text))] })
        .filter(({ code }) => code === 'script-interpreter')
        .map(({ level, node, path: about, message }) => `${level} ${node ?? 'all'} ${about ?? ''}: ${message}`);
    assert.deepEqual(of('bin/upgrade', '#!/bin/sh\n', { '/bin/sh': true }), []);
    assert.deepEqual(of('bin/upgrade', '#!/usr/bin/perl\n', { '/usr/bin/perl': false }), [
      'block n1 bin/upgrade: bin/upgrade needs /usr/bin/perl to start, and n1 does not have it as a program',
    ]);
    assert.equal(of('bin/stop', '#!/usr/bin/env python3\n', { '/usr/bin/env': true }).length, 1);
    assert.equal(of('bin/start', '#!/usr/bin/perl\n')[0]?.startsWith('block'), true);
    assert.equal(of('bin/start', '#!/opt/acme/bin/python\n')[0]?.startsWith('warn'), true, 'the upgrade may bring it');
    assert.equal(of('bin/upgrade', '#!/opt/acme/bin/python\n')[0]?.startsWith('block'), true);
    assert.match(of('bin/upgrade', '#!/bin/sh\r\ntrue\r\n')[0] ?? '', /^block all bin\/upgrade: .*CR LF/);
    assert.deepEqual(of('bin/upgrade', 'true\n'), []);
  });

  it('tell what a version script said when it failed', () => {
    const requests = { provision: false, reboot: false, messages: [], ignored: [] };
    const result = { name: 'version', rc: 1, stdout: '', stderr: 'cat: /opt/v: No such file\n', requests };
    const versionError = versionScriptFailed(result, 'n1');
    const told = checked({ facts: {}, versionError }).find(({ code }) => code === 'version-script');
    assert.match(told?.message ?? '', /status 1 on n1: cat: \/opt\/v: No such file$/);
  });

  it('block another product, whatever the version script prints', () => {
    const products = [product('other', 'done', OLD)];
    for (const version of [undefined, '1.0']) {
      assert.deepEqual(codes({ facts: { products }, version }), ['product', 'no-backup']);
    }
    const both = [...products, product('acme', 'done', NEW)];
    assert.deepEqual(codes({ facts: { products: both }, version: '1.0' }), ['no-backup']);
  });
});

interface Situation {
  readonly facts: Partial<NodeFacts>;
  readonly lock?: HeldLock;
  readonly version?: string | undefined;
  readonly versionError?: ClusterliftError;
}

function probeOf({ facts, lock, version, versionError }: Situation): NodeProbe {
  return {
    model: nodeModel('n1'),
    error: undefined,
    facts: { ...FACTS, ...facts },
    lock,
    version,
    versionError,
    check: undefined,
    healthy: undefined,
  };
}

function input(overrides: readonly string[], pkg: CheckedPackage = PACKAGE): CheckInput {
  return { cluster: CLUSTER, probes: [], package: pkg, backup: 'none', primaryLeftOut: false, overrides };
}

function checked(
  situation: Situation,
  overrides: readonly string[] = [],
  pkg: CheckedPackage = PACKAGE,
): ReturnType<typeof checkAll> {
  return checkAll({ ...input(overrides, pkg), probes: [probeOf(situation)] });
}

function codes(situation: Situation): string[] {
  return checked(situation).map(({ code }) => code);
}

function product(name: string, state: 'done' | 'failed', run: string): NodeFacts['products'][number] {
  const text = recordText({ run, product: name, from: '1.0', to: '2.0', sha256: '0'.repeat(64) });
  return { product: name, record: text.replace('"begun"', `"${state}"`), manifest: undefined, files: undefined };
}

function held(): HeldLock {
  return {
    kind: 'held',
    owner: {
      run: OLD,
      epoch: 1,
      heartbeat: 0,
      age: 1,
      user: 'ann',
      command: 'upgrade',
      host: 'laptop',
      bootId: 'b',
      pid: 1,
      pidStart: '1',
    },
    stale: false,
    staleReason: undefined,
    jobsAlive: [],
    runClosed: false,
    trying: false,
  };
}

const MANIFEST = {
  schema: 1,
  product: 'acme',
  version: '2.0',
  scripts: { version: 'bin/version', upgrade: 'bin/upgrade' },
};

const PACKAGE: CheckedPackage = {
  product: 'acme',
  version: '2.0',
  sha256: '0'.repeat(64),
  size: 1000,
  unpackedSize: 1000,
  manifest: manifestOf(MANIFEST),
  unvouched: false,
  starts: [],
};

const CLUSTER = clusterOf('{ "clusters": { "test": { "nodes": [{ "name": "n1", "host": "10.0.0.1" }] } } }');

function clusterOf(text: string): Cluster {
  const [cluster] = checkClusters(text, '/clusters.json').file?.clusters ?? [];
  assert.ok(cluster);
  return cluster;
}

const FACTS: NodeFacts = {
  node: 'n1',
  hostname: 'n1',
  arch: 'x86_64',
  kernel: '6',
  os: { id: 'debian', like: [], version: '12', name: 'Debian' },
  bootId: 'b',
  clock: { node: 0, here: 0, uncertainty: 0 },
  login: { user: 'root', home: '/root' },
  root: true,
  systemd: false,
  killsUserProcesses: false,
  state: { path: '/var/lib/clusterlift', exists: true, foreign: false, noexec: false, readOnly: false },
  space: [{ path: '/var/lib/clusterlift', free: 1e12, mount: '/' }],
  commands: {},
  tar: { kind: 'gnu', version: '1.34', posix: true, acls: true, xattrs: true },
  requests: [],
  products: [],
  packages: [],
  openJobs: [],
  openRuns: [],
};
