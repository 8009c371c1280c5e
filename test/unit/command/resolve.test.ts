import { strict as assert } from 'node:assert';
import { ClusterliftError } from '../../../src/base/errors';
import { checkClusters } from '../../../src/cluster/load';
import type { Cluster, ClustersFile } from '../../../src/cluster/model';
import { parseCommand } from '../../../src/command/parse';
import {
  isConfirmed,
  resolveUpgrade,
  selectNodes,
  type ManifestDefaults,
  type ResolvedUpgrade,
} from '../../../src/command/resolve';

function setup(cluster: object = {}): { file: ClustersFile; cluster: Cluster } {
  const nodes = [{ name: 'n1' }, { name: 'n2' }, { name: 'n3' }];
  const text = JSON.stringify({ clusters: { c: { nodes, ...cluster } }, backupLocations: { nightly: 'file:///b' } });
  const { file, problems } = checkClusters(text, 'f');
  const [only] = file?.clusters ?? [];
  assert.ok(file && only, problems.map((problem) => problem.message).join());
  return { file, cluster: only };
}

function resolve(line: string, config: object = {}, manifest?: ManifestDefaults): ResolvedUpgrade {
  const command = parseCommand(`upgrade ${line}`.trim().split(' '));
  assert.ok(command.kind === 'upgrade');
  const { file, cluster } = setup(config);
  return resolveUpgrade(command, cluster, file, manifest);
}

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof ClusterliftError);
    assert.equal(error.exit, 2);
    return error.code;
  }
  return 'none';
}

describe('resolveUpgrade', () => {
  it('is fast and without a backup when nobody says anything, the same as "backup none fast"', () => {
    const plain = resolve('');
    assert.deepEqual(
      [plain.mode, plain.backup, plain.batch, plain.maxFailures, plain.onFailure],
      ['fast', 'none', undefined, '0', 'stop'],
    );
    assert.deepEqual(plain, resolve('backup None fast'));
    assert.equal(plain.giveUp, 7_200_000);
  });

  const config = {
    upgrade: {
      mode: 'serial',
      backup: 'nightly',
      maxFailures: '25%',
      onFailure: 'rollback',
      health: { stable: '10s' },
    },
  };

  it('takes clusters.json where the command line is silent', () => {
    const { mode, backup, maxFailures, onFailure, healthStable } = resolve('', config, { healthStable: 5000 });
    assert.deepEqual(
      { mode, backup, maxFailures, onFailure, healthStable },
      { mode: 'serial', backup: 'nightly', maxFailures: '25%', onFailure: 'rollback', healthStable: 10_000 },
    );
  });

  it('takes the manifest where both are silent', () => {
    const { healthStable, roleOrder } = resolve('', {}, { healthStable: 5000, roles: ['database'] });
    assert.deepEqual({ healthStable, roleOrder }, { healthStable: 5000, roleOrder: ['database'] });
    assert.equal(resolve('').healthStable, 0);
  });

  it('lets the command line win', () => {
    const { mode, backup, maxFailures, onFailure } = resolve(
      'fast backup localbackup --max-failures 1 --on-failure continue',
      config,
    );
    assert.deepEqual(
      { mode, backup, maxFailures, onFailure },
      { mode: 'fast', backup: 'localbackup', maxFailures: '1', onFailure: 'continue' },
    );
  });

  it('ramps a fast upgrade by the batch of clusters.json, which serial beats and --batch replaces', () => {
    const ramp = { upgrade: { batch: ['1', '100%'] } };
    assert.deepEqual(resolve('', ramp).batch, ['1', '100%']);
    assert.deepEqual(resolve('fast', ramp).batch, ['1', '100%']);
    assert.deepEqual(resolve('serial', ramp).batch, undefined);
    assert.deepEqual(resolve('--batch 100%', ramp).batch, ['100%']);
    assert.deepEqual([resolve('--batch 2', config).mode, resolve('--batch 2', config).batch], ['fast', ['2']]);
  });

  it('refuses to roll back to nothing', () => {
    assert.equal(
      codeOf(() => resolve('--on-failure rollback')),
      'rollback-needs-backup',
    );
    assert.equal(
      codeOf(() => resolve('backup none', config)),
      'rollback-needs-backup',
    );
    assert.equal(
      codeOf(() => resolve('backup nightly --on-failure rollback')),
      'none',
    );
  });

  it('refuses a location that is not there', () => {
    assert.equal(
      codeOf(() => resolve('backup nigthly')),
      'usage-unknown-location',
    );
    assert.equal(
      codeOf(() => resolve('backup localbackup')),
      'none',
    );
  });
});

describe('selectNodes', () => {
  const select = (line: string): string[] =>
    selectNodes(setup().cluster, parseCommand(line.split(' ')).options).map((node) => node.name);

  it('takes all nodes, or those that are named, in the order of the file', () => {
    assert.deepEqual(select('status'), ['n1', 'n2', 'n3']);
    assert.deepEqual(select('status --nodes n3,n1'), ['n1', 'n3']);
  });

  it('refuses a node that is not there', () => {
    assert.equal(
      codeOf(() => select('status --nodes n1,n4')),
      'usage-unknown-node',
    );
    assert.deepEqual(select('upgrade a.iso --override downgrade=n3'), ['n1', 'n2', 'n3']);
    assert.equal(
      codeOf(() => select('upgrade a.iso --override downgrade=n4')),
      'usage-unknown-node',
    );
  });
});

describe('isConfirmed', () => {
  const confirmed = (line: string, production: boolean): boolean =>
    isConfirmed(parseCommand(line.split(' ')), setup({ production }).cluster);

  it('is satisfied by --yes, but on a production cluster only by its name', () => {
    assert.equal(confirmed('upgrade', false), false);
    assert.equal(confirmed('upgrade --yes', false), true);
    assert.equal(confirmed('upgrade --yes', true), false);
    assert.equal(confirmed('upgrade --confirm c', true), true);
  });

  it('refuses the name of another cluster', () => {
    assert.equal(
      codeOf(() => confirmed('upgrade --yes --confirm d', false)),
      'usage-wrong-confirmation',
    );
  });
});
