import type { RunContext } from './context';

/** From now on no new bracket begins. Written once; a second request, or one that comes too late, changes nothing. */
export function requestStop(ctx: RunContext, by: string): void {
  if (ctx.view.stopRequested || ctx.view.state !== 'running') return;
  ctx.record({ type: 'stop.requested', by }).catch(() => undefined);
}
