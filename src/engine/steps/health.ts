import { sleep } from '../../base/async';
import { monotonic } from '../../base/clock';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import { lastLines } from '../../base/text';
import { formatDuration } from '../../base/units';
import type { RunContext } from '../control/context';
import type { Lane } from '../journal/events';
import type { RunPackage } from '../control/runpackage';
import { runQuickScript, type QuickResult } from './quick-script';
import { runStep } from './steps';

/** One call may take what is left of the time, and so long in any case. Milliseconds. */
const LEAST_CALL = 60_000;

/**
 * Waits until the node's health script passes, and goes on passing for as long as asked for; fails when that does not
 * come true within the manifest's `timeouts.health`. Without a health script there is nothing to wait for.
 */
export async function waitUntilHealthy(
  ctx: RunContext,
  pkg: RunPackage,
  node: string,
  step: 'health' | 'settle',
  lane: Lane = 'main',
): Promise<void> {
  if (pkg.manifest.scripts.health === undefined) return;
  await runStep(ctx, { node, step, lane, repeatable: true, run: () => poll(ctx, pkg, node, lane) });
}

async function poll(ctx: RunContext, pkg: RunPackage, node: string, lane: Lane): Promise<{ passes: number }> {
  const { interval } = pkg.manifest.health;
  const stable = ctx.plan.options.healthStable ?? pkg.manifest.health.stable;
  const limit = pkg.manifest.timeouts.health;
  const deadline = monotonic() + limit;
  const clock = new HealthClock(stable, deadline);
  for (let passes = 0; ;) {
    const result = await runQuickScript(
      ctx,
      pkg,
      node,
      'health',
      lane === 'rollback' || ctx.plan.action === 'restore' ? 'restore' : 'upgrade',
      Math.min(limit, Math.max(deadline - monotonic(), LEAST_CALL)),
    );
    const healthy = result.rc === 0;
    if (healthy) passes++;
    const verdict = clock.verdict(healthy, monotonic());
    if (verdict === 'healthy') return { passes };
    if (verdict === 'too-late') throw unhealthy(node, result, limit, stable);
    await sleep(interval, ctx.signal);
  }
}

/** Decides from passes and failures over time; pure but for the times that it is given. */
export class HealthClock {
  #since: number | undefined;

  /**
   * @param stable milliseconds without a failure that are wanted; 0 = one pass
   * @param deadline milliseconds, on the clock of `verdict`, by which the healthy time must have begun
   */
  constructor(
    private readonly stable: number,
    private readonly deadline: number,
  ) {}

  verdict(healthy: boolean, now: number): 'healthy' | 'wait' | 'too-late' {
    if (!healthy) {
      this.#since = undefined;
      return now >= this.deadline ? 'too-late' : 'wait';
    }
    this.#since ??= now;
    return now - this.#since >= this.stable ? 'healthy' : 'wait';
  }
}

function unhealthy(node: string, last: QuickResult, limit: number, stable: number): ClusterliftError {
  const wanted = stable > 0 ? ` for ${formatDuration(stable)}` : '';
  return new ClusterliftError({
    code: 'unhealthy',
    message: `${node} did not become healthy${wanted} within ${formatDuration(limit)} (${last.rc === 'timeout' ? 'its health script hung' : `last status ${String(last.rc)}`})`,
    hint: `Look at ${node}; when it is mended, run the same command again.`,
    exit: ExitStatus.failed,
    node,
    log: lastLines(`${last.stdout}\n${last.stderr}`),
  });
}
