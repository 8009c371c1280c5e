import { strict as assert } from 'node:assert';
import { hasCode } from '../../../../src/base/errors';
import { sha256Hex } from '../../../../src/backup/points/canonical';
import { decodePoint, encode, type Point, scriptsOn } from '../../../../src/backup/points/point';
import { assemblePoint, keepPackages, type KeptPackage } from '../../../../src/backup/lifecycle';
import type { Plan, PlanInstalled } from '../../../../src/engine/journal/plan';
import { pointScripts } from '../../../../src/engine/points/pointscripts';
import { reopenPackage } from '../../../../src/engine/prepare/reopen';
import { packageOn } from '../../../../src/engine/control/runpackage';
import { parsePlan } from '../../../../src/engine/journal/schema';
import { vouches } from '../../../../src/engine/points/vouch';
import { PackageCache } from '../../../../src/package/sources/cache';
import { samplePoint } from '../../backup/sample';
import { planOf } from '../plans';

function manifest(version: string, script = 'bin/version'): Record<string, unknown> {
  return { schema: 1, product: 'acme', version, scripts: { version: script, upgrade: 'bin/upgrade' } };
}

function kept(version: string, scripts: Record<string, string>): KeptPackage {
  const contents = Object.entries(scripts).map(([path, text]) => [path, Buffer.from(text)] as const);
  return {
    product: 'acme',
    version,
    sha256: 'ab'.repeat(32),
    manifest: JSON.stringify(manifest(version)),
    scripts: Object.fromEntries(contents),
  };
}

/** n1 and n2 keep other things, n3 keeps nothing. */
function ownPoint(): Point {
  const { nodes, ...header } = samplePoint(['n1', 'n2', 'n3']);
  const { files, packages } = keepPackages(
    new Map([
      ['n1', kept('1.0', { 'bin/version': 'echo 1', 'bin/same': 'x' })],
      ['n2', kept('2.0', { 'bin/version': 'echo 2', 'bin/same': 'x' })],
      ['n3', undefined],
    ]),
  );
  const parts = Object.values(nodes).map((part) => ({ ...part, package: packages.get(part.node) ?? null }));
  return assemblePoint({ ...header, manifest: null, scripts: {}, files }, parts);
}

describe('what a node keeps is for that node only', () => {
  it('in a restore point: each part has its own, and equal files are kept once', async () => {
    const point = ownPoint();
    assert.deepEqual(decodePoint(encode(point).text, point.id), point);
    assert.equal(point.schema, 2, 'a program that would run the scripts of one node on all says that it is newer');
    assert.equal(Object.keys(point.files ?? {}).length, 5);
    const pkg = pointScripts(point, 'n2');
    const version = async (node: string): Promise<string | undefined> =>
      (await packageOn(pkg, node)?.scriptFiles())?.find(({ path }) => path === 'bin/version')?.content.toString();
    assert.deepEqual([await version('n1'), await version('n2'), await version('n3')], ['echo 1', 'echo 2', undefined]);
    assert.deepEqual([packageOn(pkg, 'n1')?.manifest.version, pkg?.manifest.version], ['1.0', '2.0']);
    assert.equal(packageOn(pkg, 'n9'), undefined);
    assert.ok(scriptsOn(point, 'n1').some(({ sha256 }) => sha256 === sha256Hex('echo 1')));
    assert.ok(!scriptsOn(point, 'n1').some(({ sha256 }) => sha256 === sha256Hex('echo 2')));
    assert.deepEqual(scriptsOn(point, 'n3'), []);
  });

  it('in a point of an upgrade, or of an earlier version, one package is for all', () => {
    const point = samplePoint(['n1', 'n2'], { manifest: JSON.stringify(manifest('24.1')) });
    const pkg = pointScripts(point, 'n1');
    assert.deepEqual([packageOn(pkg, 'n1'), packageOn(pkg, 'n2')], [pkg, pkg]);
    assert.deepEqual(
      scriptsOn(point, 'n2').map(({ name }) => name),
      ['version'],
    );
  });

  it('a point whose parts name what is not there, or lies outside, is refused', () => {
    const point = ownPoint();
    const { text } = encode(point);
    const refused = (changed: string): void => {
      assert.throws(
        () => decodePoint(changed, point.id),
        (error) => hasCode(error, 'point-invalid'),
      );
    };
    refused(text.replaceAll(sha256Hex('echo 2'), 'cd'.repeat(32)));
    refused(text.replace(Buffer.from('echo 2').toString('base64'), Buffer.from('echo 9').toString('base64')));
    for (const path of ['/etc/passwd', '../version', 'bin/../../version', ''])
      refused(text.replace('"bin/version"', JSON.stringify(path)));
    const other = text.replaceAll('"product":"acme"', '"product":"other"');
    assert.throws(
      () => pointScripts(decodePoint(other, point.id), 'n1'),
      (error) => hasCode(error, 'point-invalid'),
    );
  });

  it('in a plan, which is read back with it; a plan of an earlier version has one for all', async () => {
    const own = (version: string, script: string): PlanInstalled => ({
      product: 'acme',
      version,
      sha256: 'ab'.repeat(32),
      manifest: manifest(version, script),
    });
    const plan = planOf(['n1', 'n2', 'n3'], {
      action: 'backup',
      package: {
        ...own('1.0', 'bin/a'),
        size: 0,
        source: { kind: 'node', node: 'n1', path: 'installed' },
        signedBy: undefined,
      },
    });
    const now: Plan = {
      ...plan,
      nodes: plan.nodes.map((node) => {
        if (node.name === 'n1') return { ...node, installed: own('1.0', 'bin/a') };
        return node.name === 'n2' ? { ...node, installed: own('2.0', 'bin/b') } : node;
      }),
    };
    const paths = async (which: Plan): Promise<(string | undefined)[]> => {
      const read = parsePlan(JSON.stringify(which), 'here');
      const pkg = await reopenPackage(read, {
        cache: new PackageCache('/nowhere'),
        cwd: '/',
        urlAuth: undefined,
        sink: () => undefined,
        signal: new AbortController().signal,
        connect: () => assert.fail('nothing is read yet'),
      });
      return ['n1', 'n2', 'n3'].map((node) => packageOn(pkg, node)?.manifest.scripts.version);
    };
    assert.deepEqual(await paths(now), ['bin/a', 'bin/b', undefined]);
    assert.deepEqual(await paths(plan), ['bin/a', 'bin/a', 'bin/a']);
  });

  it('a node vouches, or a person named it; plans of earlier versions say it of all', () => {
    const point = { location: 'vault', uri: 'file:///x', id: '20261122T201755Z-staging-4f2a9c', sha256: 'ab' };
    assert.deepEqual(
      ['n1', 'n2'].map((node) => vouches({ ...point, trusted: false, foreign: ['n2'] }, node)),
      [true, false],
    );
    assert.deepEqual([vouches(point, 'n1'), vouches({ ...point, trusted: false }, 'n1')], [true, false]);
  });
});
