import { strict as assert } from 'node:assert';
import { acmePackage, acmeVersion, executions, installAcme } from '../lab/acme';
import { type CliResult, said } from '../lab/cli';
import { release } from '../lab/hold';
import type { PackageSpec } from '../lab/images';
import type { LabNode } from '../lab/nodes';
import { type BackupScene, backupScene, censusOf, pointsOf, readyLocation } from '../integration/cli/backup-scene';
import { needsLab, outcomes, run } from '../integration/cli/scene';
import { nothingLeft } from './faults';

/** Two nodes and a backup server, on acme 1.0; made anew only after a test that failed. */
export interface Backups extends BackupScene {
  /** What acme 1.0 looked like, by node. */
  readonly before: readonly string[];
  /** A restore point of it, made by the upgrade to 2.0, in `vault`; only with `upgraded`. */
  readonly point: string;
  readonly n1: LabNode;
  readonly n2: LabNode;
}

export type Scenes = () => Backups;

/** For a suite: `upgraded` gives it a cluster that was upgraded to 2.0 with a backup, so that there is something to go back to. */
export function useBackups(upgraded?: Partial<PackageSpec>): Scenes {
  let scene: Backups | undefined;
  before(function () {
    needsLab(this);
  });
  beforeEach(async () => {
    scene ??= await make(upgraded);
  });
  afterEach(async function () {
    if (this.currentTest?.state !== 'failed') return;
    await scene?.lab.stop();
    scene = undefined;
  });
  after(() => scene?.lab.stop());
  return () => scene ?? assert.fail('there is no scene');
}

async function make(upgraded: Partial<PackageSpec> | undefined): Promise<Backups> {
  const scene = await backupScene([{}, {}], upgraded ? {} : { backup: { paths: ['/etc/acme', '/opt/acme'] } });
  await readyLocation(scene, 'files');
  // Enough that something can happen in the middle of its way.
  if (upgraded) for (const node of scene.nodes) await node.must('head -c 1500000 /dev/urandom > /opt/acme/bulk');
  const before = await censusOf(scene.nodes);
  let point = '';
  if (upgraded) {
    const { path } = await acmePackage('2.0', upgraded);
    const result = await run(scene.lab, ['upgrade', path, 'backup', 'vault'], 0);
    point = String(result.events.find(({ type }) => type === 'point')?.['id']);
  }
  return { ...scene, before, point, n1: scene.lab.node('n1'), n2: scene.lab.node('n2') };
}

/** As after an upgrade to 2.0 and some work with it; nothing of an earlier test is in the way. */
export async function spoil({ nodes }: Backups): Promise<void> {
  for (const node of nodes) {
    await release(node);
    await node.must(
      `rm -rf /var/acme-knobs /var/log/acme.log; cd /opt/acme && echo changed > program && rm -rf 'a dir' && mkdir -p late && echo 2.0 > /etc/acme/release && : > /var/lib/acme/running`,
    );
  }
}

/** Every node is exactly as acme 1.0 was, runs, and holds nothing else of the run. */
export async function isBack({ nodes, before: first }: Backups, before = first): Promise<void> {
  assert.deepEqual(await censusOf(nodes), before);
  await runs(nodes, '1.0');
  await nothingLeft(nodes);
}

export async function runs(nodes: readonly LabNode[], version: string): Promise<void> {
  for (const node of nodes) {
    assert.equal(await acmeVersion(node), version);
    assert.ok(await node.exists('/var/lib/acme/running'), `acme runs on ${node.name}`);
    const health = await executions([node], 'health');
    if (health.length > 0) assert.equal(health.at(-1)?.exit, 0, `health of ${node.name}`);
  }
}

/** There is exactly one point more than before, and what is listed at all is verified; its parts are all there. */
export async function oneMore(scene: Backups, location: string, had: number): Promise<void> {
  const states = (await pointsOf(scene, location)).map(({ state }) => state);
  assert.deepEqual(
    states,
    Array.from({ length: had + 1 }, () => 'verified'),
  );
  await nothingLeft(scene.nodes);
}

export function both(result: CliResult, outcome: string): void {
  assert.deepEqual(outcomes(result), { n1: outcome, n2: outcome }, said(result));
}

/** acme 1.0 again, as it was installed at first. */
export async function reinstall(scene: Backups): Promise<void> {
  for (const node of scene.nodes) {
    await release(node);
    await node.must('rm -rf /var/acme-knobs /var/log/acme.log');
    await installAcme(node, '1.0');
  }
}
