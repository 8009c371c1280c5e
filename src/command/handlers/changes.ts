import { advice, AsIs, shellWord } from '../../base/shell';
import { isOverridden } from '../../base/overrides';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import type { Cluster } from '../../cluster/model';
import { changesSince, type Change } from '../../engine/prepare/today';
import type { RunView } from '../../engine/journal/view';
import type { Options } from '../command';
import type { CommandContext } from '../context';

/** What a person said to the changes in clusters.json since the run began. */
export interface ConfirmedChanges {
  readonly moved: readonly { readonly node: string; readonly place: string }[];
  readonly leftOut: readonly string[];
}

/**
 * Names what clusters.json says otherwise since the run began, and asks about each change; `--yes` does not answer that.
 * @throws ClusterliftError `node-gone`, `node-moved`, `primary-changed`, `primary-gone` (status 3) without an answer
 */
export async function confirmChanges(
  ctx: CommandContext,
  view: RunView,
  cluster: Cluster,
  options: Options,
): Promise<ConfirmedChanges> {
  const changes = changesSince(view, cluster);
  for (const change of changes) {
    if (change.code === 'primary-gone') throw unanswered(change, view.run, cluster.file);
    const { code, node, message, question } = change;
    if (isOverridden(options.override ?? [], code, node)) continue;
    const text = `${message} since run ${view.run} began. ${question}`;
    const answer = await ctx.asker.ask({ kind: 'confirm', text, typeName: undefined });
    if (answer !== 'yes') throw unanswered(change, view.run, cluster.file);
  }
  return {
    moved: changes.flatMap(({ code, node, place }) =>
      code === 'node-moved' && place && node ? [{ node, place }] : [],
    ),
    leftOut: changes.flatMap(({ code, node }) => (code === 'node-gone' && node ? [node] : [])),
  };
}

function unanswered({ code, node, message, way }: Change, run: string, file: string): ClusterliftError {
  const override = new AsIs(['--override', shellWord(node === undefined ? code : `${code}=${node}`)].join(' '));
  const back = `Put it back in ${file}`;
  return new ClusterliftError({
    code,
    message: `${message} since run ${run} began`,
    hint:
      code === 'primary-gone'
        ? advice`${back}, then resume; or close the run with \`clusterlift runs abandon ${run}\`.`
        : advice`${back}, or: \`clusterlift resume ${run} ${override}\` ${way}.`,
    exit: ExitStatus.refused,
    node,
  });
}
