import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDirectory } from '../base/directories';
import { writeOwn } from '../base/own-files';
import { stateHome } from '../base/paths';
import { line } from '../base/text';
import type { Cluster } from '../cluster/model';
import type { CommandContext } from './context';

/**
 * A clusters.json that nobody named, such as that of a cloned repository, may make this machine one of its nodes: then
 * programs that lie beside it would run here. The first time a person says yes to that; what was allowed is kept in the
 * user's own state, bound to the file and to what it says about the nodes here.
 * @throws ClusterliftError `not-confirmed`, `confirmation-needed`
 */
export async function allowLocalNodes(
  { env, ui }: Pick<CommandContext, 'env' | 'ui'>,
  cluster: Cluster,
): Promise<void> {
  const local = cluster.nodes.filter(({ connection }) => connection === 'local');
  if (local.length === 0) return;
  const said = JSON.stringify({ file: cluster.file, cluster: cluster.name, local, recipe: cluster.recipe ?? null });
  const folder = join(stateHome(env), 'local-nodes');
  const path = join(folder, createHash('sha256').update(said).digest('hex'));
  if (await readFile(path).then(Boolean, () => false)) return;
  await ui.confirm(
    [
      `${line(cluster.file)} was found in this folder and not given with --config. It makes this machine a node, so its programs may run here:`,
      ...local.map(({ name, stateDir }) => `${line(name)}: state directory ${line(stateDir ?? 'of this user')}`),
      'Continue?',
    ].join('\n'),
  );
  await writeOwn(stateHome(env), async () => {
    await makeDirectory(folder);
    await writeFile(path, `${said}\n`, { mode: 0o600 });
  });
}
