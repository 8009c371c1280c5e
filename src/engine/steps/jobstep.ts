import { advice } from '../../base/shell';
import { sleep } from '../../base/async';
import { after } from '../../base/clock';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import { lastLines } from '../../base/text';
import { formatDuration } from '../../base/units';
import type { RunTask } from '../../backup/points/task';
import type { FollowOptions, JobEnd, JobSpec, ScriptRequests } from '../../ssh/exec/jobs';
import type { NodeConnection } from '../../ssh/connection';
import { beganBefore, followJob, runJob } from '../../ssh/exec/jobs';
import type { RunContext } from '../control/context';
import { directoryOf, environmentOf, type ScriptAction } from './environment';
import { jobId, type Lane, type StepData, type StepKey } from '../journal/events';
import type { Action } from '../journal/plan';
import { fenceOf } from '../control/locks';
import { recordText } from '../node/record';
import { recordedDigest, type RunPackage } from '../control/runpackage';
import { ATTEMPT_LOST, runStep } from './steps';

/** A script of the package that runs as a detached job on a node. */
export interface ScriptJob {
  readonly node: string;
  readonly step: 'stop' | 'upgrade' | 'start' | 'provision' | 'restore-script';
  readonly action: ScriptAction;
  readonly lane?: Lane;
  /** It may run again when its node died in the middle of it. */
  readonly repeatable: boolean;
  /** Asks the node whether an attempt that was cut off had come to its end after all. */
  readonly wasDone?: () => Promise<boolean>;
}

/** Runs a script of the package as a step, exactly once for each attempt. */
export async function scriptJob(ctx: RunContext, pkg: RunPackage, job: ScriptJob): Promise<void> {
  const name = job.step === 'restore-script' ? 'restore' : job.step;
  const script = pkg.manifest.scripts[name];
  if (script === undefined) return;
  const lane = job.lane ?? 'main';
  const directory = directoryOf(ctx, pkg, job.node);
  await jobStep(
    ctx,
    { ...job, lane, timeout: pkg.manifest.timeouts[name] },
    {
      command: { kind: 'file', path: script },
      cwd: directory,
      env: environmentOf(ctx, job.node, job.action, directory, lane),
      requests: { node: job.node },
      ...(job.step === 'upgrade' ? { record: recordOf(ctx, pkg, ctx.node(job.node)) } : {}),
    },
  );
}

/** A step that is one detached job. `timeout` in milliseconds: past it the job is overdue, never killed. */
interface JobStep extends Omit<ScriptJob, 'action' | 'step'> {
  readonly step: StepKey['step'];
  readonly lane: Lane;
  readonly timeout: number;
}

/** A job that is a script of the package. */
type ScriptStep = JobStep & Pick<ScriptJob, 'step'>;

/** @returns what was journaled with the result */
async function jobStep(
  ctx: RunContext,
  step: ScriptStep,
  spec: Omit<JobSpec, 'id' | 'stateDir' | 'fence'>,
): Promise<StepData> {
  return runStep(ctx, {
    node: step.node,
    step: step.step,
    lane: step.lane,
    repeatable: step.repeatable,
    run: (attempt) => follow(ctx, step, attempt, spec),
  });
}

async function follow(
  ctx: RunContext,
  step: ScriptStep,
  attempt: number,
  spec: Omit<JobSpec, 'id' | 'stateDir' | 'fence'>,
): Promise<StepData> {
  const { end, tail } = await runTracked(ctx, { ...step, attempt }, spec);
  if (end.state === 'unknown') {
    if (await step.wasDone?.()) return { rc: 0, found: true };
    throw attemptLost(step, end.reason, tail.lines());
  }
  await recordRequests(ctx, step.node, end.requests);
  if (end.rc !== 0) throw scriptFailed(step, end.rc, tail.lines(), ctx.plan.action);
  return { rc: end.rc, ...(end.requests.provision ? { provision: true } : {}) };
}

/** The work of a backup or a restore as the job of an attempt: it survives us, and an attempt runs it once. */
export function taskRunner(ctx: RunContext, step: TaskStep): RunTask {
  return async ({ text, args, secrets }) => {
    const { env, record } = step;
    const command = { kind: 'text', text, args } as const;
    const { end, tail } = await runTracked(ctx, step, { command, secrets, env, ...(record ? { record } : {}) });
    if (end.state === 'unknown') throw attemptLost(step, end.reason, tail.lines());
    return { rc: end.rc, log: tail.text };
  };
}

export interface TaskStep extends Attempt {
  readonly env: Readonly<Record<string, string>>;
  readonly record?: JobSpec['record'];
}

/** An attempt at a step that is followed as a job. `suffix` tells several jobs of one attempt apart. */
type Attempt = Omit<JobStep, 'repeatable' | 'wasDone'> & { readonly attempt: number; readonly suffix?: string };

/** The end of a job that began. */
type EndOfClaimed = Extract<JobEnd, { state: 'done' | 'unknown' }>;

type Named = Pick<Attempt, 'node' | 'step'>;

/** The job of an attempt, followed to its end. */
async function runTracked(
  ctx: RunContext,
  step: Attempt,
  spec: Omit<JobSpec, 'id' | 'stateDir' | 'fence'>,
): Promise<{ end: EndOfClaimed; tail: Tail }> {
  const { node } = step;
  const id = jobId(ctx.plan.run, node, step.step, step.lane, step.attempt) + (step.suffix ?? '');
  // A backup leaves the node as it was.
  const changes = step.step !== 'backup';
  const whole: JobSpec = { ...spec, id, changes, stateDir: ctx.node(node).stateDir, fence: fenceOf(ctx, node) };
  const tail = new Tail();
  const end = await withDeadlines(ctx, step, (watch) => toTheEnd(ctx, step, whole, tail, watch));
  return { end, tail };
}

/** Starts it, or finds it started, and follows it; a link that drops only makes us look again. */
async function toTheEnd(
  ctx: RunContext,
  step: Attempt,
  spec: JobSpec,
  tail: Tail,
  watch: JobWatch,
): Promise<EndOfClaimed> {
  let offset = 0;
  let begun = false;
  const options: FollowOptions = {
    signal: watch.signal,
    onAge: (age) => {
      begun = true;
      watch.onAge(age);
    },
    onOutput: (text) => {
      begun = true;
      tail.add(text);
      ctx.live({ type: 'output', node: step.node, step: step.step, text });
    },
    onOffset: (next) => {
      offset = next;
    },
  };
  // What was seen running is only followed after a lost link: where its directory is gone, it must not start again.
  return untilClaimed(ctx, step, async (connection) =>
    begun
      ? beganBefore(await followJob(connection, spec, { ...options, offset }))
      : runJob(connection, spec, { ...options, offset }),
  );
}

/**
 * What did not start within the time that a busy node was given is started again, which is harmless.
 * @throws ClusterliftError `job-not-started` when it never does
 */
export async function untilClaimed(
  ctx: RunContext,
  step: Named,
  start: (connection: NodeConnection) => Promise<JobEnd>,
): Promise<EndOfClaimed> {
  for (let tries = 0; tries < 6; tries++) {
    if (tries > 0) await sleep(1000, ctx.signal);
    const end = await ctx.retryWhileUnreachable(step.node, start);
    if (end.state === 'done' || end.state === 'unknown') return end;
  }
  throw notStarted(step);
}

type JobWatch = Required<Pick<FollowOptions, 'signal' | 'onAge'>>;

/**
 * Tells when the job is overdue; leaves it, outcome unknown, when it is overdue for longer than `--give-up`. Its age is
 * counted on the node, over resumes and while this machine sleeps. A job that is overdue already gets `--give-up` once
 * more, because a person who resumes wants to follow it.
 */
async function withDeadlines<T>(ctx: RunContext, step: Attempt, work: (watch: JobWatch) => Promise<T>): Promise<T> {
  const { node, step: name, lane, attempt, timeout } = step;
  const late = new AbortController();
  let told = false;
  const tell = (): void => {
    if (!told)
      ctx.record({ type: 'step.overdue', node, step: name, lane, attempt, afterMs: timeout }).catch(() => undefined);
    told = true;
  };
  const expire = (): void => {
    late.abort(stillRuns(step, timeout + ctx.giveUp));
  };
  let limit: number | undefined;
  let timers = [after(timeout, tell), after(timeout + ctx.giveUp, expire)];
  const cancel = (): void => {
    for (const each of timers) each.cancel();
  };
  const onAge = (age: number): void => {
    limit ??= Math.max(timeout, age) + ctx.giveUp;
    cancel();
    timers = [after(Math.max(timeout - age, 0), tell), after(Math.max(limit - age, 0), expire)];
  };
  try {
    return await work({ signal: AbortSignal.any([ctx.signal, late.signal]), onAge });
  } catch (error) {
    if (late.signal.aborted && !ctx.signal.aborted) throw late.signal.reason;
    throw error;
  } finally {
    cancel();
  }
}

async function recordRequests(ctx: RunContext, node: string, requests: ScriptRequests): Promise<void> {
  if (requests.provision) await ctx.record({ type: 'request', node, kind: 'provision' });
  if (requests.reboot) await ctx.record({ type: 'request', node, kind: 'reboot' });
  for (const text of requests.messages) await ctx.record({ type: 'request', node, kind: 'message', text });
  for (const text of requests.ignored) {
    await ctx.record({
      type: 'warning',
      node,
      code: 'output-ignored',
      message: `A line in CLUSTERLIFT_OUTPUT means nothing: ${text}`,
    });
  }
}

/** What the job itself writes down about the product that it changes. */
export function recordOf(
  ctx: RunContext,
  pkg: Pick<RunPackage, 'product' | 'sha256'>,
  { from = null, to = null }: { readonly from?: string | null | undefined; readonly to?: string | null | undefined },
): { product: string; json: string } {
  const { product } = pkg;
  return { product, json: recordText({ run: ctx.plan.run, product, from, to, sha256: recordedDigest(pkg) }) };
}

/** The end of an output, for the error of a script that fails. */
class Tail {
  text = '';

  add(text: string): void {
    this.text = (this.text + text).slice(-32_768);
  }

  lines(): string[] {
    return lastLines(this.text);
  }
}

function scriptFailed(step: ScriptStep, rc: number, log: readonly string[], action: Action): ClusterliftError {
  // A restore goes back when its provision fails.
  const again =
    step.step === 'provision' && action !== 'restore'
      ? 'run `clusterlift provision`'
      : 'run the same command again; or roll back';
  return new ClusterliftError({
    code: `${step.step}-failed`,
    message: `The script ${step.step === 'restore-script' ? 'restore' : step.step} ended with status ${String(rc)} on ${step.node}`,
    hint: `Read the last lines of its log, fix ${step.node} or the package, and ${again}.`,
    exit: ExitStatus.failed,
    node: step.node,
    log,
  });
}

function attemptLost(step: Named, reason: 'dead' | 'other-boot', log: readonly string[]): ClusterliftError {
  const how = reason === 'dead' ? 'was ended' : 'was cut off by a restart of the node';
  return new ClusterliftError({
    code: ATTEMPT_LOST,
    message: `The job ${step.step} on ${step.node} ${how} before it could say how it went`,
    hint: advice`Look at ${step.node}, then decide: \`clusterlift resume RUN --decide ${step.node}=done\`, \`=retry\` or \`=failed\`.`,
    exit: ExitStatus.unknown,
    node: step.node,
    log,
  });
}

function notStarted(step: Named): ClusterliftError {
  return new ClusterliftError({
    code: 'job-not-started',
    message: `The job ${step.step} could not be started on ${step.node}`,
    hint: `Look at the load and the free processes of ${step.node}, then run the same command again.`,
    exit: ExitStatus.failed,
    node: step.node,
  });
}

function stillRuns(step: Named, after: number): ClusterliftError {
  return new ClusterliftError({
    code: 'overdue',
    message: `The job ${step.step} on ${step.node} has not ended after ${formatDuration(after)}; it was not stopped`,
    hint: advice`Look at ${step.node}; when the script has ended, go on with \`clusterlift resume RUN\`. The lock stays until then.`,
    exit: ExitStatus.unknown,
    node: step.node,
  });
}
