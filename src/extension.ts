import { go, halt } from './vscode/shared/startup-time';
import * as vscode from 'vscode';
import { ClustersDiagnostics } from './vscode/clusters/diagnostics';
import { ClustersModel } from './vscode/clusters/model';
import { provenRows, StatusCache } from './vscode/clusters/status';
import type { Args } from './vscode/commands/targets';
import { launcherOf } from './vscode/shared/launch';
import type { Core, OnDemand } from './vscode/on-demand';
import { Queries } from './vscode/shared/queries';
import { Notices } from './vscode/notices';
import { OutputChannels } from './vscode/output/channels';
import { PointsModel } from './vscode/points/model';
import { WindowAsker } from './vscode/prompts';
import { Detached } from './vscode/runs/detached';
import { RunHub } from './vscode/runs/hub';
import { RunsModel } from './vscode/runs/model';
import type { TerminalDeps } from './vscode/runs/terminal';
import { SecretStore } from './vscode/shared/secrets';
import { setting } from './vscode/shared/settings';
import { StatusBar } from './vscode/status-bar';
import { Store } from './vscode/shared/store';
import { TASK_TYPE } from './vscode/tasks/definition';
import { TaskDiagnostics } from './vscode/tasks/diagnostics';
import { ClusterliftTasks } from './vscode/tasks/provider';
import { ClustersTree } from './vscode/views/clusters';
import { PointsTree } from './vscode/views/points';
import { RunsTree } from './vscode/views/runs';
import type { KeptState } from './webview/rollback/protocol';

// Secrets are asked for when they are needed, and answered from the store: none travels before.
const none = (): Promise<Readonly<Record<string, string>>> => Promise.resolve({});

/** Composition root of the extension: wires the rooms, decides nothing. What needs a person's act is loaded with the first one. */
export function activate(context: vscode.ExtensionContext): void {
  go();
  const store = new Store();
  context.subscriptions.push(store);
  const core = coreOf(context, store);
  registerOnDemand(onDemandOf(core, context, store), context, store);
  keepFresh(core, store);
  core.channels.engine.info(`Loaded and activated in ${halt().toFixed(1)} ms`);
}

/** The models, and what shows them. */
function coreOf(context: vscode.ExtensionContext, store: Store): Core {
  const launcher = launcherOf(context);
  const secrets = store.add(new SecretStore(context.secrets, context.globalState));
  const asker = new WindowAsker(secrets);
  const hub = store.add(new RunHub());
  const clusters = store.add(new ClustersModel());
  const engine = store.add(vscode.window.createOutputChannel('Clusterlift', { log: true }));
  const channels = store.add(new OutputChannels(hub, clusters, engine));
  const status = store.add(new StatusCache(context.workspaceState));
  const runs = store.add(new RunsModel(launcher.stateHome));
  // The watcher of the folders does not report a run that was resumed.
  store.add(hub.onDidChange(() => void runs.refresh()));
  store.add(clusters.onDidChange(() => status.keep(clusters.files)));
  const queries = store.add(new Queries(launcher, asker, none));
  const points = store.add(new PointsModel(clusters, queries, runs));
  const tree = store.add(new ClustersTree(clusters, status, runs, hub));
  store.add(new PointsTree(points, clusters));
  store.add(new RunsTree(runs, hub));
  store.add(new StatusBar(runs, hub));
  store.add(new Notices(runs, clusters, hub));
  store.add(new ClustersDiagnostics(clusters));
  const detached = store.add(new Detached());
  const terminal: TerminalDeps = {
    ...{ launcher, asker, hub, queries, runs, secrets: none },
    answersAgain: (question) => secrets.again(question),
    onDetached: (what, pty) => detached.closed(what, pty),
  };
  const tasks = new ClusterliftTasks(clusters, runs, terminal, store.add(new TaskDiagnostics()));
  store.add(vscode.tasks.registerTaskProvider(TASK_TYPE, tasks));
  return { clusters, status, runs, points, queries, channels, secrets, tasks, tree, terminal };
}

/** Commands, pages and the terminal profile: the first of them loads what they need. */
function registerOnDemand(onDemand: () => Promise<OnDemand>, context: vscode.ExtensionContext, store: Store): void {
  for (const name of [...commandsOf(context), 'refreshOld']) {
    const run = async (...args: Args): Promise<void> => (await onDemand()).command(name, args);
    store.add(vscode.commands.registerCommand(`clusterlift.${name}`, run));
  }
  store.add(
    vscode.window.registerWebviewPanelSerializer('clusterlift.rollBack', {
      deserializeWebviewPanel: async (panel, kept: KeptState | undefined) =>
        (await onDemand()).rollBack.restore(panel, kept),
    }),
  );
  store.add(
    vscode.window.registerTerminalProfileProvider('clusterlift.ssh', {
      provideTerminalProfile: async () => (await onDemand()).terminalProfile(),
    }),
  );
}

/** Asks for the status of clusters when they are shown, and after a run. */
function keepFresh({ clusters, status, runs, tree }: Core, store: Store): void {
  const refreshOld = (): void => {
    if (tree.view.visible && vscode.workspace.isTrusted && setting('refreshOnShow') && clusters.clusters.length > 0)
      void vscode.commands.executeCommand('clusterlift.refreshOld');
  };
  store.add(
    runs.onDidEnd(({ record: { plan, view } }) => {
      const ref = clusters.byName(plan.cluster, plan.configFile);
      if (!ref) return;
      status.put(
        ref.id,
        provenRows(Object.values(view.nodes), (node) => status.node(ref.id, node)),
      );
      if (setting('refreshOnShow')) void vscode.commands.executeCommand('clusterlift.status', { kind: 'cluster', ref });
    }),
  );
  // What was written before the watcher was up is seen now; old answers are asked for again after it.
  store.add(tree.view.onDidChangeVisibility(({ visible }) => void (visible && clusters.reload())));
  store.add(clusters.onDidChange(refreshOld));
}

function onDemandOf(core: Core, context: vscode.ExtensionContext, store: Store): () => Promise<OnDemand> {
  let loaded: Promise<OnDemand> | undefined;
  const load = async (): Promise<OnDemand> => {
    const { OnDemand } = await import(/* webpackChunkName: "on-demand" */ './vscode/on-demand');
    return store.add(new OnDemand(core, context));
  };
  return () => (loaded ??= load());
}

/** Names of the contributed commands, without prefix: package.json is the one list of them. */
function commandsOf({ extension }: vscode.ExtensionContext): string[] {
  const { contributes } = extension.packageJSON as { contributes: { commands: { command: string }[] } };
  return contributes.commands.map(({ command }) => command.replace('clusterlift.', ''));
}

// All modules are loaded; the editor calls `activate` when it comes to it.
halt();
