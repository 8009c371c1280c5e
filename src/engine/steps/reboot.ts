import { codeSet } from '../../base/catalogue';
import { advice } from '../../base/shell';
import { sleep } from '../../base/async';
import { stopwatch } from '../../base/clock';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import { formatDuration } from '../../base/units';
import { runJob } from '../../ssh/exec/jobs';
import { ask } from '../../ssh/exec/script';
import type { RunContext } from '../control/context';
import { untilClaimed } from './jobstep';
import { fenceOf } from '../control/locks';
import bootIdText from '../node/bootid.sh';
import rebootText from '../node/reboot.sh';
import { clearRequest } from '../node/requests';
import type { RunPackage } from '../control/runpackage';
import { jobId } from '../journal/events';
import { runStep } from './steps';
import { stepOf } from '../journal/view';

const POLL = 1000;

/**
 * Restarts a node that asked for it, and waits until it is back: a changed boot id is the only proof.
 * A jump node restarts only while no other node is in a step.
 * @throws ClusterliftError `reboot-failed`; `reboot-unknown` when it is not back by the deadline, or came back as somebody else
 */
export async function rebootAndWait(ctx: RunContext, pkg: RunPackage, node: string): Promise<void> {
  const before = stepOf(ctx.nodeView(node), 'reboot')?.intent?.['bootId'] ?? (await bootIdOf(ctx, node));
  await runStep(ctx, {
    node,
    step: 'reboot',
    intent: { bootId: String(before) },
    repeatable: false,
    alone: ctx.plan.nodes.some(({ model }) => model.jump === node && model.name !== node),
    run: async (attempt, intent) => {
      const old = String(intent['bootId']);
      const watch = stopwatch();
      await askForReboot(ctx, node, attempt, old);
      const boot = await waitForNewBoot(ctx, pkg, node, attempt, old);
      await ctx.retryWhileUnreachable(node, (connection) =>
        clearRequest(connection, ctx.node(node).stateDir, fenceOf(ctx, node), 'reboot'),
      );
      return { bootId: boot, awayMs: watch.ms };
    },
  });
}

/** A job like any other: claimed once, so that a resumed run does not restart the node a second time. */
async function askForReboot(ctx: RunContext, node: string, attempt: number, bootId: string): Promise<void> {
  const end = await untilClaimed(ctx, { node, step: 'reboot' }, async (connection) => {
    if ((await readBootId(ctx, node)) !== bootId) return { state: 'unknown', reason: 'other-boot' };
    return runJob(connection, {
      id: jobId(ctx.plan.run, node, 'reboot', 'main', attempt),
      stateDir: ctx.node(node).stateDir,
      fence: fenceOf(ctx, node),
      command: { kind: 'text', text: rebootText, args: [bootId] },
    });
  });
  if (end.state === 'done' && end.rc !== 0) {
    throw new ClusterliftError({
      code: 'reboot-failed',
      message: `${node} could not be told to restart (status ${String(end.rc)})`,
      hint: `Restart ${node} by hand, then run the same command again.`,
      exit: ExitStatus.failed,
      node,
    });
  }
}

async function waitForNewBoot(
  ctx: RunContext,
  pkg: RunPackage,
  node: string,
  attempt: number,
  old: string,
): Promise<string> {
  const watch = stopwatch();
  const timeout = pkg.manifest.timeouts.reboot;
  let overdue = false;
  for (;;) {
    const waited = watch.ms;
    if (waited > timeout && !overdue) {
      overdue = true;
      await ctx.record({ type: 'step.overdue', node, step: 'reboot', lane: 'main', attempt, afterMs: timeout });
    }
    const left = timeout + ctx.giveUp - waited;
    if (left <= 0) throw notBack(node, waited);
    const boot = await ctx
      .retryWhileUnreachable(node, () => readBootId(ctx, node), left)
      .catch((error: unknown) => {
        throw differentKey(error) ? cameBackAsAnother(node, error) : error;
      });
    if (boot !== old) return boot;
    await sleep(POLL, ctx.signal);
  }
}

async function bootIdOf(ctx: RunContext, node: string): Promise<string> {
  return ctx.retryWhileUnreachable(node, () => readBootId(ctx, node));
}

async function readBootId(ctx: RunContext, node: string): Promise<string> {
  const entries = await ask(ctx.connection(node), { text: bootIdText, timeout: 20_000 });
  return entries.required('boot').slice(0, 100);
}

const OTHER_KEY = codeSet('host-key-changed', 'host-key-unknown', 'host-key-revoked');

function differentKey(error: unknown): boolean {
  const cause = error instanceof ClusterliftError ? error.cause : undefined;
  return [error, cause].some((each) => each instanceof ClusterliftError && OTHER_KEY.has(each.code));
}

function cameBackAsAnother(node: string, cause: unknown): ClusterliftError {
  return new ClusterliftError({
    code: 'reboot-unknown',
    message: `${node} came back with another host key: it may be another machine`,
    hint: advice`Make sure that it is ${node}, correct known_hosts, then go on with \`clusterlift resume\`.`,
    exit: ExitStatus.unknown,
    node,
    cause,
  });
}

function notBack(node: string, waited: number): ClusterliftError {
  return new ClusterliftError({
    code: 'reboot-unknown',
    message: `${node} was told to restart ${formatDuration(waited)} ago and is not back with a new boot id`,
    hint: `Look at its console; when it is back, go on with \`clusterlift resume\`.`,
    exit: ExitStatus.unknown,
    node,
  });
}
