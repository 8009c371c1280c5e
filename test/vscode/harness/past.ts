import { cp, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { newRunId, planDigest, Runs } from '../../../src/engine/journal/runs';
import { acmeCluster, run } from '../../integration/cli/scene';
import type { Lab } from '../../lab/nodes';
import { planOf } from '../../unit/terminal/scenes';

/** What was there before a window was opened. */

/** A run that failed, one that was interrupted and one that is on (this process has it), in the folders where the window looks for them. */
export async function makeRuns(home: string, configFile: string): Promise<void> {
  const runs = new Runs(join(home, '.local/state/clusterlift'));
  for (const how of ['failed', 'interrupted', 'live'] as const) {
    const plan = planOf(['p1', 'p2'], {
      run: newRunId('live'),
      cluster: 'live',
      configFile,
      command: 'clusterlift upgrade',
    });
    const owned = await runs.create(plan);
    const { journal } = owned;
    const { run, action, cluster } = plan;
    await journal.append({
      type: 'run.started',
      run,
      action,
      cluster,
      plan: planDigest(plan),
      host: 'h',
      pid: 1,
      epoch: 1,
    });
    if (how === 'failed') await journal.append({ type: 'run.finished', outcome: 'failed', status: 1, nodes: {} });
    await journal.close();
    if (how !== 'interrupted') continue;
    // Its process is not there any more.
    const [file = ''] = (await readdir(owned.folder)).filter((each) => each.startsWith('owner.'));
    const owner = JSON.parse(await readFile(join(owned.folder, file), 'utf8')) as Record<string, unknown>;
    await writeFile(join(owned.folder, file), JSON.stringify({ ...owner, pidStart: '1' }));
  }
}

/**
 * A production cluster `real` of one real node with a restore point in `nightly`, beside others.
 * @param home of the window, which can log in to the node then
 */
export async function clusterWithPoint(
  home: string,
  file: string,
  others: Readonly<Record<string, object>>,
): Promise<Lab> {
  const lab = await acmeCluster([{}]);
  await lab.node('n1').must('mkdir -p /srv/backups');
  const of = { user: 'root', production: true, backup: { paths: ['/etc/acme'] } };
  const clusters = { ...others, real: { ...lab.clustersJson().clusters['lab'], ...of } };
  const text = JSON.stringify({ clusters, backupLocations: { nightly: 'file:///srv/backups' } });
  await writeFile(join(lab.home, '.config/clusterlift/clusters.json'), text);
  await run(lab, ['backup', 'create', 'nightly', '--cluster', 'real', '--confirm', 'real'], 0);
  await cp(join(lab.home, '.ssh'), join(home, '.ssh'), { recursive: true });
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
  return lab;
}
