import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import type { FromPage, KeptState, PointKey, ToPage } from '../../webview/rollback/protocol';
import type { ClusterRef, ClustersModel } from '../clusters/model';
import type { StatusCache } from '../clusters/status';
import { sleep } from '../../base/async';
import { line } from '../../base/text';
import { messageOf } from '../../base/errors';
import { argvFor, cwdOf } from '../clusters/argv';
import type { Queries } from '../shared/queries';
import type { PointsModel } from '../points/model';
import type { RunsModel } from '../runs/model';
import { Store } from '../shared/store';
import { previewOf, type PreviewState } from './preview';
import { versionWords } from '../views/words';
import { nowOf, pageState } from './state';

const { l10n } = vscode;

/** Milliseconds that a point stays chosen before its nodes are asked: arrow keys pass over many. */
const STAYS = 400;

/** The same as in `onWebviewPanel:` of package.json. */
const ROLL_BACK_VIEW = 'clusterlift.rollBack';

export interface PanelDeps {
  readonly extension: vscode.Uri;
  readonly clusters: ClustersModel;
  readonly points: PointsModel;
  readonly queries: Queries;
  readonly status: StatusCache;
  readonly runs: RunsModel;
  /** Starts what the page proposed, after it was looked up again. */
  readonly act: (
    what: 'verify' | 'rollBack',
    ref: ClusterRef,
    key: PointKey,
    now: (node: string) => string | undefined,
  ) => Promise<void>;
}

/** The pages of Roll Back: one a cluster. */
export class RollBackPanels extends Store {
  readonly #panels = new Map<string, RollBackPanel>();

  constructor(private readonly deps: PanelDeps) {
    super();
  }

  async open(ref: ClusterRef, preselect?: PointKey): Promise<void> {
    const known = this.#panels.get(ref.id);
    if (known) {
      known.reveal(preselect);
      return;
    }
    const panel = vscode.window.createWebviewPanel(
      ROLL_BACK_VIEW,
      l10n.t('Roll Back {0}', ref.label),
      vscode.ViewColumn.Active,
      {
        ...this.#options(),
        enableFindWidget: true,
      },
    );
    this.#adopt(panel, ref.id, preselect);
  }

  /** After a reload. */
  async restore(panel: vscode.WebviewPanel, kept: KeptState | undefined): Promise<void> {
    const id = kept?.cluster;
    if (typeof id !== 'string' || this.#panels.has(id)) {
      panel.dispose();
      return;
    }
    panel.webview.options = this.#options();
    this.#adopt(panel, id, undefined);
  }

  #options(): vscode.WebviewOptions {
    const roots = ['dist/webview', 'media'].map((each) => vscode.Uri.joinPath(this.deps.extension, each));
    return { enableScripts: true, localResourceRoots: roots };
  }

  #adopt(panel: vscode.WebviewPanel, id: string, preselect: PointKey | undefined): void {
    const made = new RollBackPanel(panel, id, preselect, this.deps);
    this.#panels.set(id, made);
    panel.onDidDispose(() => {
      this.#panels.delete(id);
      made.dispose();
    });
    this.add(made);
  }
}

class RollBackPanel extends Store {
  /** By `keyText`, until the points are read again. */
  readonly #previews = new Map<string, PreviewState>();
  #asking: AbortController | undefined;
  /** Somebody asked for this point elsewhere; until the page has chosen it. */
  #preselect: PointKey | undefined;

  constructor(
    private readonly panel: vscode.WebviewPanel,
    private readonly id: string,
    preselect: PointKey | undefined,
    private readonly deps: PanelDeps,
  ) {
    super();
    this.#preselect = preselect;
    panel.webview.html = this.#html();
    const { points, clusters, status } = deps;
    this.add(panel.webview.onDidReceiveMessage((message: unknown) => void this.#heard(message)));
    this.add(points.onDidChange(() => this.#send()));
    this.add(status.onDidChange(() => this.#send()));
    // After a reload, the page is there before the clusters are.
    this.add(clusters.onDidChange(() => void this.#begin()));
  }

  reveal(preselect: PointKey | undefined): void {
    this.#preselect = preselect;
    this.panel.reveal();
    this.#send();
  }

  #ref(): ClusterRef | undefined {
    return this.deps.clusters.find(this.id);
  }

  /** Whatever a page says is only a proposal. */
  async #heard(message: unknown): Promise<void> {
    if (!isFromPage(message)) return;
    const ref = this.#ref();
    switch (message.type) {
      case 'ready':
        await this.#begin();
        return;
      case 'refresh':
        this.#previews.clear();
        await this.#read(true);
        return;
      case 'choose':
        if (this.#preselect?.id === message.id) this.#preselect = undefined;
        if (ref) await this.#query(ref, { location: message.location, id: message.id });
        return;
      case 'verify':
      case 'rollBack':
        if (ref) {
          const key = { location: message.location, id: message.id };
          await this.deps.act(message.type, ref, key, (node) => this.#versionNow(ref, key, node));
        }
        return;
    }
  }

  /** Asks what a point would do, once somebody stays with it; an earlier request is dropped. */
  async #query(ref: ClusterRef, key: PointKey): Promise<void> {
    this.#asking?.abort();
    if (!vscode.workspace.isTrusted || this.#previews.get(keyText(key))?.kind === 'ready') return;
    const asking = (this.#asking = new AbortController());
    const isOver = (): boolean => asking.signal.aborted || this.disposed;
    await sleep(STAYS);
    if (isOver()) return;
    this.#tell(key, { kind: 'asking' });
    try {
      const { id: point, location } = key;
      const argv = argvFor({ kind: 'backup-restore', point, options: { location, dryRun: true } }, ref);
      const preview = previewOf(await this.deps.queries.rows(argv, cwdOf(ref), asking.signal));
      if (preview) this.#tell(key, { kind: 'ready', preview });
      else this.#previews.delete(keyText(key));
    } catch (error) {
      if (isOver()) this.#previews.delete(keyText(key));
      else this.#tell(key, { kind: 'failed', message: line(messageOf(error), 500) });
    }
  }

  /** As the node said when the page looked, else as it was last known. */
  #versionNow(ref: ClusterRef, key: PointKey, node: string): string | undefined {
    const looked = this.#previews.get(keyText(key));
    return (
      nowOf(node, looked?.kind === 'ready' ? looked.preview : undefined) ??
      versionWords(this.deps.status.node(ref.id, node))
    );
  }

  #tell(key: PointKey, state: PreviewState): void {
    this.#previews.set(keyText(key), state);
    this.#send();
  }

  /** Shows what is known, and reads what nobody has looked at yet. */
  async #begin(): Promise<void> {
    this.#send();
    await this.#read(false);
  }

  async #read(again: boolean): Promise<void> {
    const ref = this.#ref();
    if (!ref || !vscode.workspace.isTrusted) return;
    const { points } = this.deps;
    const wanted = points.locationsOf(ref).filter(({ id }) => again || points.state(id) === undefined);
    await Promise.all(wanted.map((location) => points.refresh(location)));
  }

  #send(): void {
    const ref = this.#ref();
    if (!ref || this.disposed) return;
    const { points, status, runs } = this.deps;
    const locations = points.locationsOf(ref).map(({ id, name }) => ({
      name,
      state: points.state(id),
      asking: points.isAsking(id),
    }));
    const state = pageState({
      ref,
      locations,
      status,
      runs: runs.records,
      preselect: this.#preselect,
      preview: (key) => this.#previews.get(keyText(key)),
    });
    const message: ToPage = { type: 'state', state };
    void this.panel.webview.postMessage(message);
  }

  #html(): string {
    const { webview } = this.panel;
    const uri = (...path: string[]): string =>
      webview.asWebviewUri(vscode.Uri.joinPath(this.deps.extension, ...path)).toString();
    const nonce = randomBytes(16).toString('base64');
    const csp = `default-src 'none'; style-src ${webview.cspSource}; script-src 'nonce-${nonce}'`;
    return `<!DOCTYPE html>
<html lang="${vscode.env.language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${csp}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${attribute(l10n.t('Roll Back'))}</title>
<link rel="stylesheet" href="${uri('media', 'rollback.css')}">
</head>
<body data-cluster="${attribute(this.id)}">
<main></main>
<script nonce="${nonce}" src="${uri('dist', 'webview', 'rollback.js')}"></script>
</body>
</html>`;
  }
}

function keyText({ location, id }: PointKey): string {
  return JSON.stringify([location, id]);
}

function attribute(text: string): string {
  return text.replaceAll(/[&<>"']/g, (each) => `&#${String(each.charCodeAt(0))};`);
}

function isFromPage(message: unknown): message is FromPage {
  if (typeof message !== 'object' || message === null) return false;
  const { type, location, id } = message as Record<string, unknown>;
  if (type === 'ready' || type === 'refresh') return true;
  return (
    (type === 'choose' || type === 'verify' || type === 'rollBack') &&
    typeof location === 'string' &&
    typeof id === 'string'
  );
}
