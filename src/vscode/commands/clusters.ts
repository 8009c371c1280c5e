import * as vscode from 'vscode';
import { ageOf } from '../../base/clock';
import { home } from '../../base/paths';
import { addCluster as writeCluster } from '../../cluster/edit';
import type { ClusterRef } from '../clusters/model';
import { statusRows } from '../clusters/status';
import { askNewCluster } from '../wizard/cluster';
import { alone, askText, valueOf } from '../wizard/steps';
import { argvFor, cwdOf, forCluster } from '../clusters/argv';
import type { CommandDeps, Handlers } from './deps';
import type { Args } from './targets';
import { confirmed, start } from './start';

const { l10n } = vscode;

/** Milliseconds: what is older is asked again when the view is shown. */
const OLD = 5 * 60_000;

/** Commands on clusters. */
export const clusterCommands: Handlers = {
  upgrade,
  previewUpgrade,
  check,
  status: showStatus,
  refresh,
  provision,
  inspectPackage,
  filter,
  clearFilter,
  openClustersFile,
  addCluster,
  unlock,
  refreshOld,
};

async function upgrade(deps: CommandDeps, args: Args): Promise<void> {
  await upgradeAll(deps, await deps.targets.clusters(args, l10n.t('Upgrade')));
}

async function previewUpgrade(deps: CommandDeps, args: Args): Promise<void> {
  await upgradeAll(deps, await deps.targets.clusters(args, l10n.t('Preview Upgrade')), 'preview');
}

/** Asks what is upgraded, and how; then starts it, or saves it as tasks. */
async function upgradeAll(deps: CommandDeps, refs: readonly ClusterRef[], then?: 'preview' | 'save'): Promise<void> {
  if (refs.length === 0) return;
  for (const { ref, command, then: what } of await deps.wizard.run(refs, then)) {
    if (what === 'save') {
      await vscode.commands.executeCommand('clusterlift.saveAsTask', { kind: 'cluster', ref }, command);
      continue;
    }
    const shown = { ...command, options: { ...command.options, dryRun: true } } as const;
    await start(deps, what === 'preview' ? shown : command, ref);
  }
}

async function check(deps: CommandDeps, args: Args): Promise<void> {
  const { targets, packages } = deps;
  const refs = await targets.clusters(args, l10n.t('Check'));
  if (refs.length === 0) return;
  const title = l10n.t('Check {0}', refs.map(({ label }) => label).join(', '));
  const chosen = valueOf(await packages.pick(alone(title), refs[0], true));
  if (!chosen) return;
  const source = chosen.source === undefined ? {} : { package: chosen.source };
  for (const ref of refs) await start(deps, forCluster({ kind: 'check', ...source, options: {} }, ref), ref);
}

async function showStatus(deps: CommandDeps, args: Args): Promise<void> {
  const refs = await deps.targets.clusters(args, l10n.t('Status'));
  await Promise.all(refs.map((ref) => askStatus(deps, ref)));
}

async function refresh(deps: CommandDeps): Promise<void> {
  const { clusters } = deps;
  await clusters.reload();
  await Promise.all(clusters.clusters.map((ref) => askStatus(deps, ref)));
}

async function provision(deps: CommandDeps, args: Args): Promise<void> {
  for (const ref of await deps.targets.clusters(args, l10n.t('Provision'))) {
    const yes = await confirmed(ref, {
      message: l10n.t('Provision {0}?', ref.label),
      detail: l10n.t(
        'Runs the provision script of the installed package on {0}, then checks the health of all {1} nodes.',
        ref.cluster.primary,
        ref.cluster.nodes.length,
      ),
      button: l10n.t('Provision'),
    });
    if (yes) await start(deps, forCluster({ kind: 'provision', options: yes }, ref), ref);
  }
}

async function inspectPackage({ clusters, queries, targets, packages }: CommandDeps, args: Args): Promise<void> {
  const [ref] = args.length > 0 ? await targets.clusters(args, l10n.t('Inspect Package')) : clusters.clusters;
  const chosen = valueOf(await packages.pick(alone(l10n.t('Inspect Package')), ref, false));
  if (chosen?.source === undefined) return;
  const command = { kind: 'package-inspect', package: chosen.source, options: {} } as const;
  const argv = ref ? argvFor(command, ref) : ['package', 'inspect', chosen.source];
  const { lines } = await queries.query(argv, ref ? cwdOf(ref) : home(process.env));
  const document = await vscode.workspace.openTextDocument({ content: lines.join('\n'), language: 'plaintext' });
  await vscode.window.showTextDocument(document, { preview: true });
}

async function filter({ tree }: CommandDeps): Promise<void> {
  const text = await vscode.window.showInputBox({
    title: l10n.t('Filter Clusters'),
    prompt: l10n.t('Enter part of a name, host, role or version. Leave empty to show all clusters.'),
    value: tree.filtered,
  });
  if (text !== undefined) tree.filter(text);
}

async function clearFilter({ tree }: CommandDeps): Promise<void> {
  tree.filter('');
}

async function openClustersFile(deps: CommandDeps, args: Args): Promise<void> {
  await openFile(deps, args[0] && 'ref' in args[0] ? args[0].ref : undefined);
}

async function addCluster({ clusters }: CommandDeps): Promise<void> {
  const made = await askNewCluster(clusters);
  if (!made) return;
  await writeCluster(made.path, made.name, { nodes: [...made.nodes] });
  await clusters.reload();
  const ref = clusters.byName(made.name, made.path);
  if (ref) await vscode.commands.executeCommand('clusterlift.openClustersFile', { kind: 'cluster', ref });
}

async function unlock(deps: CommandDeps, args: Args): Promise<void> {
  const ref = await deps.targets.cluster(args, l10n.t('Unlock'));
  if (!ref) return;
  const reason = valueOf(
    await askText(alone(l10n.t('Unlock {0}', ref.label)), {
      prompt: l10n.t('Reason (recorded). In most cases, resume the run instead.'),
      check: () => undefined,
    }),
  );
  if (reason === undefined) return;
  const yes = await confirmed(ref, {
    message: l10n.t('Release the lock on {0}?', ref.label),
    detail: l10n.t('Do this only if the run holding the lock can no longer continue.'),
    button: l10n.t('Unlock'),
  });
  if (yes) await start(deps, forCluster({ kind: 'unlock', options: { ...yes, reason } }, ref), ref);
}

async function refreshOld(deps: CommandDeps): Promise<void> {
  const { clusters, status } = deps;
  const old = clusters.clusters.filter(({ id }) => ageOf(status.askedAt(id)) > OLD);
  await Promise.all(old.map((ref) => askStatus(deps, ref)));
}

/** Asks the nodes of a cluster; what they say goes into the tree. */
async function askStatus({ queries, status, tree }: CommandDeps, ref: ClusterRef): Promise<void> {
  tree.busy(ref.id, true);
  try {
    status.put(ref.id, statusRows(await queries.rows(argvFor({ kind: 'status', options: {} }, ref), cwdOf(ref))));
  } finally {
    tree.busy(ref.id, false);
  }
}

async function openFile({ clusters }: CommandDeps, ref: ClusterRef | undefined): Promise<void> {
  const places = clusters.places();
  const path = ref?.file.path ?? clusters.files.find(({ exists }) => exists)?.path ?? places[0]?.path;
  if (path === undefined) return;
  const uri = vscode.Uri.file(path);
  const there = await vscode.workspace.fs.stat(uri).then(
    () => true,
    () => false,
  );
  if (!there) {
    const edit = new vscode.WorkspaceEdit();
    edit.createFile(uri, { contents: Buffer.from(EXAMPLE), ignoreIfExists: true });
    await vscode.workspace.applyEdit(edit);
  }
  const editor = await vscode.window.showTextDocument(uri);
  const at = ref ? editor.document.getText().indexOf(`"${ref.cluster.name}"`) : -1;
  if (at < 0) return;
  const position = editor.document.positionAt(at);
  editor.selection = new vscode.Selection(position, position);
  editor.revealRange(new vscode.Range(position, position), vscode.TextEditorRevealType.InCenter);
}

const EXAMPLE = `{
  "clusters": {
    // "staging": { "nodes": [{ "name": "node1", "host": "10.0.0.11" }] }
  }
}
`;
