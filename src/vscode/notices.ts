import * as vscode from 'vscode';
import { sleep } from '../base/async';
import type { RunRecord } from '../engine/journal/runs';
import type { ClustersModel } from './clusters/model';
import type { RunHub } from './runs/hub';
import type { RunsModel } from './runs/model';
import { setting } from './shared/settings';
import { Store } from './shared/store';
import { endSentence, failedNode } from './views/ends';
import { tell } from './shared/tell';

const { l10n } = vscode;

/** Milliseconds in which a window that watched a run takes it up again, when its process died. */
const TAKE_UP_MS = 1500;

/** One notification a run, when it ends; only for clusters of this window. */
export class Notices extends Store {
  constructor(
    private readonly runs: RunsModel,
    private readonly clusters: ClustersModel,
    private readonly hub: RunHub,
  ) {
    super();
    this.add(runs.onDidEnd(({ record }) => void this.#ended(record)));
  }

  async #ended(record: RunRecord): Promise<void> {
    const { plan, view, state } = record;
    const wanted = setting('notifications');
    if (wanted === 'none' || !this.clusters.byName(plan.cluster, plan.configFile)) return;
    if (state === 'interrupted') {
      await sleep(TAKE_UP_MS);
      if (this.hub.resuming(record.run) || this.runs.find(record.run)?.state !== 'interrupted') return;
    }
    const good = view.outcome === 'succeeded';
    if (good && wanted === 'failures') return;
    const what = endSentence(record);
    if (good) {
      await this.#offer(tell.info(what, l10n.t('Follow')), record);
      return;
    }
    const failed = failedNode(view);
    const buttons =
      state === 'interrupted' || state === 'undecided'
        ? [l10n.t('Resume')]
        : failed
          ? [l10n.t('Show Node Output'), l10n.t('Follow')]
          : [l10n.t('Follow')];
    await this.#offer(tell.warning(what, ...buttons), record, failed?.name);
  }

  async #offer(shown: Thenable<string | undefined>, { run }: RunRecord, node?: string): Promise<void> {
    const choice = await shown;
    const item = { kind: 'run', run };
    if (choice === l10n.t('Follow')) await vscode.commands.executeCommand('clusterlift.follow', item);
    if (choice === l10n.t('Resume')) await vscode.commands.executeCommand('clusterlift.resume', item);
    if (choice === l10n.t('Show Node Output'))
      await vscode.commands.executeCommand('clusterlift.showNodeOutput', { kind: 'runNode', run, node });
  }
}
