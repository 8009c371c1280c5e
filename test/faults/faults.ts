import { strict as assert } from 'node:assert';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep } from '../../src/base/async';
import { type AcmeScript, executions } from '../lab/acme';
import type { CliEvent, CliOptions, CliResult } from '../lab/cli';
import { release } from '../lab/hold';
import type { Lab, LabNode } from '../lab/nodes';
import { start } from '../integration/cli/scene';

/** What the suites of faults share: moments to be killed at, links and nodes that die, and that nothing is left over. */

/** The first event of that type; `what` is its step, phase or state. */
export type Moment = readonly [type: string, what?: string, lane?: string];

export function isMoment(event: CliEvent, [type, what, lane]: Moment): boolean {
  if (event.type !== type || (lane !== undefined && event['lane'] !== lane)) return false;
  return what === undefined || [event['step'], event['phase'], event['state']].includes(what);
}

/** The command, killed (SIGKILL) at the first event for which `moment` says so. */
export function killedAt(
  lab: Lab,
  args: readonly string[],
  moment: (event: CliEvent) => boolean,
  options: CliOptions = {},
): Promise<CliResult> {
  return start(lab, args, { ...options, killAt: moment }).done;
}

/**
 * Kills the command at each line of its journal in turn. `after` goes on and judges; `again` makes everything as it was.
 * @returns how many lines there were
 */
export async function killedAtEveryLine(
  lab: () => Lab,
  kill: (moment: (event: CliEvent) => boolean) => Promise<CliResult>,
  after: () => Promise<void>,
  again: () => Promise<void>,
): Promise<number> {
  for (let line = 1; ; line++) {
    const result = await kill((event) => event['seq'] === line);
    // Killed after its last line, or not at all: there is nothing to go on with.
    if (result.signal === null || result.finished !== undefined) return line - 1;
    // The last lines come quicker than a signal.
    if (!(await hasEnded(lab(), result))) {
      await after().catch((error: unknown) => {
        throw new Error(`killed at line ${String(line)}`, { cause: error });
      });
    }
    await again();
  }
}

/** Had the run ended before the command was? */
export async function hasEnded(lab: Lab, { events }: CliResult): Promise<boolean> {
  const run = String(events.find(({ type }) => type === 'run.started')?.['run']);
  const journal = join(lab.home, '.local/state/clusterlift/runs', run, 'journal.jsonl');
  return (await readFile(journal, 'utf8')).includes('"type":"run.finished"');
}

/** No lock, nothing half staged or half made, no job under way. */
export async function nothingLeft(nodes: readonly LabNode[]): Promise<void> {
  for (const node of nodes) {
    assert.equal(await node.exists('/var/lib/clusterlift/lock/owner.json'), false, `${node.name} is locked`);
    assert.equal(await node.must('find /var/lib/clusterlift -name "*.part*"'), '');
    assert.equal(await node.must('ps ax | grep -c "[c]lusterlift/jobs" || :'), '0\n');
    // What a rollback replaced is kept, of one run at most.
    const kept = (await node.must('cd /var/lib/clusterlift/restore 2>/dev/null && grep -lx kept */phase || :')).trim();
    const run = kept.replace('/phase', '');
    assert.doesNotMatch(run, /\s/, 'kept of one run');
    const others = run === '' ? '' : `| grep -v -F '${run}'`;
    assert.equal(
      await node.must(`ls -d /etc/.clusterlift-* /opt/.clusterlift-* /.clusterlift-* 2>/dev/null ${others} || :`),
      '',
    );
    assert.equal(
      await node.must(
        `ls -A /var/lib/clusterlift/restore /var/lib/clusterlift/spool 2>/dev/null | grep -v : ${others} || :`,
      ),
      '',
    );
  }
}

/** Nothing arrives for a while, and then every session that there was is gone. */
export async function linkDies(node: LabNode): Promise<void> {
  await node.cutLink();
  await sleep(3000);
  await node.restartSshd();
  await node.restoreLink();
}

/** Power loss, and power again: a new boot id. */
export async function powerLoss(node: LabNode, meanwhile?: () => Promise<void>): Promise<void> {
  await node.crash();
  await meanwhile?.();
  await sleep(500);
  await node.boot();
}

/** What happens to a node that is held in the middle of a step; then it is let go. */
export const FAULTS = {
  'the link dies': async (node: LabNode) => {
    await linkDies(node);
    await release(node);
  },
  'the node dies': (node: LabNode) => powerLoss(node, () => release(node)),
} as const;
export type Fault = keyof typeof FAULTS;

export async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 150_000; !(await holds());) {
    assert.ok(Date.now() < end, `waited in vain until ${String(holds)}`);
    await sleep(50);
  }
}

/** Until a script of the package runs on a node. */
export function underWayOn(node: LabNode, script: AcmeScript): Promise<void> {
  return until(async () => (await executions([node], script)).some((each) => each.end === undefined));
}
