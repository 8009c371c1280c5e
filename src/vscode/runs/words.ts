import { l10n } from 'vscode';
import type { Action, Plan } from '../../engine/journal/plan';

/** How a run is called. */

export function actionWords(action: Action): string {
  switch (action) {
    case 'upgrade':
      return l10n.t('upgrade');
    case 'provision':
      return l10n.t('provisioning');
    case 'backup':
      return l10n.t('backup');
    case 'restore':
      return l10n.t('restore');
  }
}

/** `upgrade of staging` */
export function runWords({ action, cluster }: Pick<Plan, 'action' | 'cluster'>): string {
  return l10n.t('{0} of {1}', actionWords(action), cluster);
}

/** `Upgrade of staging`, to begin a sentence. */
export function runSubject(plan: Pick<Plan, 'action' | 'cluster'>): string {
  const text = runWords(plan);
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** `upgrade staging` */
export function runTitle({ action, cluster }: Pick<Plan, 'action' | 'cluster'>): string {
  return `${actionWords(action)} ${cluster}`;
}
