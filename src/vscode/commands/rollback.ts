import * as vscode from 'vscode';
import { line } from '../../base/text';
import type { PointKey } from '../../webview/rollback/protocol';
import type { ClusterRef } from '../clusters/model';
import { forCluster } from '../clusters/argv';
import { confirmed, start } from './start';
import { demandTrust } from '../shared/queries';
import type { PointsModel } from '../points/model';
import type { TerminalDeps } from '../runs/terminal';
import type { ClusterliftTasks } from '../tasks/provider';
import { tell } from '../shared/tell';
import { ago } from '../views/words';

const { l10n } = vscode;

export interface ActDeps {
  readonly points: PointsModel;
  readonly tasks: ClusterliftTasks;
  readonly terminal: TerminalDeps;
}

/** Time and age: a person must see what it would lose. */
function whenWords(created: string): string {
  const time = Date.parse(created);
  return Number.isNaN(time) ? line(created, 80) : `${new Date(time).toLocaleString()} (${ago(time)})`;
}

/**
 * Does what a page proposed: looks the point up again where it lies, asks, and starts a task.
 * @param now version of a node just now, as far as it is known
 */
export async function actOn(
  deps: ActDeps,
  what: 'verify' | 'rollBack',
  ref: ClusterRef,
  key: PointKey,
  now: (node: string) => string | undefined,
): Promise<void> {
  demandTrust();
  const location = deps.points.locationsOf(ref).find(({ name }) => name === key.location);
  const state = location && (await deps.points.refresh(location));
  const point = state?.points.find(({ id }) => id === key.id);
  if (!location || !point) {
    void tell.warning(l10n.t('Restore point {0} no longer exists.', key.id));
    return;
  }
  const options = { location: location.name };
  if (what === 'verify') {
    const command = forCluster({ kind: 'backup-verify', point: point.id, options }, ref);
    await start(deps, command, ref, () => void deps.points.reread(location));
    return;
  }
  if (point.state !== 'verified') {
    void tell.warning(l10n.t('Only a verified restore point can be restored. Verify {0} first.', point.id));
    return;
  }
  const versions = point.nodes
    .map(
      ({ name, version }) =>
        `${name}: ${line(now(name) ?? l10n.t('unknown'), 80)} → ${version ?? l10n.t('not installed')}`,
    )
    .join('\n');
  const yes = await confirmed(ref, {
    message: l10n.t('Roll back {0} to {1}?', ref.label, whenWords(point.created)),
    detail: `${versions}\n\n${l10n.t('Changes made in the backed-up paths since then are saved in a restore point first.')}`,
    button: l10n.t('Roll Back'),
  });
  if (yes)
    await start(
      deps,
      forCluster({ kind: 'backup-restore', point: point.id, options: { ...options, ...yes } }, ref),
      ref,
    );
}
