import * as vscode from 'vscode';
import { asLabel } from './shared/escape';
import type { RunHub } from './runs/hub';
import type { RunsModel } from './runs/model';
import { Store } from './shared/store';
import { outcomeWords, progressWords } from './views/words';
import { runSubject } from './runs/words';

const { l10n } = vscode;

/** One item for all runs that are on; a click shows the Runs view. */
export class StatusBar extends Store {
  readonly #item = this.add(vscode.window.createStatusBarItem('clusterlift.runs', vscode.StatusBarAlignment.Left));

  constructor(
    private readonly runs: RunsModel,
    private readonly hub: RunHub,
  ) {
    super();
    this.#item.name = 'Clusterlift';
    this.#item.command = 'clusterlift.runs.focus';
    this.add(runs.onDidChange(() => this.#draw()));
    this.add(hub.onEvents(() => this.#draw()));
  }

  #draw(): void {
    const live = this.runs.records.filter(({ state }) => state === 'live');
    const [first] = live;
    if (!first) {
      this.#item.hide();
      return;
    }
    const asking = live.find(({ waitingFor }) => waitingFor !== undefined);
    const { plan } = asking ?? first;
    const words = asking
      ? l10n.t('{0}: {1}', runSubject(plan), outcomeWords(asking))
      : live.length === 1
        ? l10n.t('{0}: {1}', runSubject(plan), progressWords(this.hub.view(first.run) ?? first.view))
        : l10n.t('{0} runs', live.length);
    this.#item.text = `$(${asking ? 'question' : 'sync~spin'}) ${asLabel(words)}`;
    this.#item.tooltip = live.map(({ plan }) => plan.command).join('\n');
    this.#item.accessibilityInformation = { label: l10n.t('Clusterlift, {0}', words) };
    this.#item.show();
  }
}
