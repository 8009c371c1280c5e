import { ClusterliftError, ExitStatus } from '../../base/errors';
import { lastLines, line } from '../../base/text';
import type { NodeConnection } from '../../ssh/connection';
import { compose } from '../../ssh/exec/library';
import { ask, type Entries, execute, type NodeScript } from '../../ssh/exec/script';
import { refusal } from '../../ssh/exec/refusals';
import { ADVICE } from './advice';

/** Work for a node that must survive us: the caller runs it as a job and journals it. */
export interface NodeTask {
  /** Complete text for `sh`. */
  readonly text: string;
  readonly args: readonly string[];
  /** Variables that only the process of the job ever holds. */
  readonly secrets: Readonly<Record<string, string>>;
}

/** How a job ended. */
export interface TaskEnd {
  readonly rc: number;
  /** The end of its log (at least the last 8 KiB); what the scripts refuse with stands there. */
  readonly log: string;
}

/** Runs a task as a job to its end: exactly once, also over lost links and a resume. */
export type RunTask = (task: NodeTask) => Promise<TaskEnd>;

/** Makes a task of scripts; the library that all share is put before them. */
export function nodeTask(
  scripts: readonly string[],
  args: readonly string[],
  secrets: Readonly<Record<string, string>> = {},
): NodeTask {
  return { text: compose(scripts.join('\n')), args, secrets };
}

/**
 * Checks how a task ended.
 * @throws ClusterliftError what its script refused with (advice.ts), or `backup-job-failed`
 */
export function checkEnd(node: string, end: TaskEnd): void {
  if (end.rc === 0) return;
  // The last word counts: a backup that failed may end in an application that does not start.
  const said = [...end.log.matchAll(/^CLUSTERLIFT-ERROR ([a-z0-9-]+) (.*)$/gm)].at(-1);
  const log = lastLines(end.log.replace(/^CLUSTERLIFT-ERROR .*$/gm, ''));
  if (said?.[1] !== undefined) throw refusal(node, said[1], line(said[2] ?? ''), ADVICE, log);
  throw new ClusterliftError({
    code: 'backup-job-failed',
    message: `A job of the backup on ${node} ended with ${end.rc}: ${log.at(-1) ?? 'it said nothing'}`,
    hint: 'Look at the free space and the health of the node, then try again.',
    exit: ExitStatus.failed,
    node,
    log,
  });
}

/** As `ask` of the ssh room, with the advice of this one. */
export async function askNode(
  connection: NodeConnection,
  scripts: readonly string[],
  rest: Omit<NodeScript, 'text' | 'advice'>,
): Promise<Entries> {
  return ask(connection, { ...rest, text: scripts.join('\n'), advice: ADVICE });
}

/** As `execute` of the ssh room, with the advice of this one. */
export async function runOnNode(
  connection: NodeConnection,
  scripts: readonly string[],
  rest: Omit<NodeScript, 'text' | 'advice'>,
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  return execute(connection, { ...rest, text: scripts.join('\n'), advice: ADVICE });
}
