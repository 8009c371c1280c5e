import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as vscode from 'vscode';
import { ageOf } from '../../base/clock';
import { home } from '../../base/paths';
import { addCluster } from '../../cluster/edit';
import { NAME } from '../../cluster/names';
import type { ClusterRef } from '../clusters/model';
import { statusRows } from '../clusters/status';
import { alone, askText, pickOne, pickSeveral, runWizard, valueOf, type Step } from '../wizard/steps';
import { hostsOf } from '../wizard/ssh-hosts';
import { argvFor, cwdOf, forCluster } from '../clusters/argv';
import type { CommandDeps, Handlers } from './deps';
import { confirmed, start } from './start';

const { l10n } = vscode;

/** Milliseconds: what is older is asked again when the view is shown. */
const OLD = 5 * 60_000;

/** Commands on clusters. */
export function clusterCommands(deps: CommandDeps): Handlers {
  const { targets, wizard, packages, queries, tree, status, clusters } = deps;
  const upgrade = async (refs: readonly ClusterRef[], then?: 'preview' | 'save'): Promise<void> => {
    if (refs.length === 0) return;
    for (const { ref, command, then: what } of await wizard.run(refs, then)) {
      if (what === 'save')
        await vscode.commands.executeCommand('clusterlift.saveAsTask', { kind: 'cluster', ref }, command);
      else
        await start(
          deps,
          what === 'preview' ? { ...command, options: { ...command.options, dryRun: true } } : command,
          ref,
        );
    }
  };
  return {
    upgrade: async (...args) => upgrade(await targets.clusters(args, l10n.t('Upgrade'))),
    previewUpgrade: async (...args) => upgrade(await targets.clusters(args, l10n.t('Preview Upgrade')), 'preview'),
    check: async (...args) => {
      const refs = await targets.clusters(args, l10n.t('Check'));
      if (refs.length === 0) return;
      const title = l10n.t('Check {0}', refs.map(({ label }) => label).join(', '));
      const chosen = valueOf(await packages.pick(alone(title), refs[0], true));
      if (!chosen) return;
      const source = chosen.source === undefined ? {} : { package: chosen.source };
      for (const ref of refs) await start(deps, forCluster({ kind: 'check', ...source, options: {} }, ref), ref);
    },
    status: async (...args) => {
      const refs = await targets.clusters(args, l10n.t('Status'));
      await Promise.all(refs.map((ref) => askStatus(deps, ref)));
    },
    refresh: async () => {
      await clusters.reload();
      await Promise.all(clusters.clusters.map((ref) => askStatus(deps, ref)));
    },
    provision: async (...args) => {
      for (const ref of await targets.clusters(args, l10n.t('Provision'))) {
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
    },
    inspectPackage: async (...args) => {
      const [ref] = args.length > 0 ? await targets.clusters(args, l10n.t('Inspect Package')) : clusters.clusters;
      const chosen = valueOf(await packages.pick(alone(l10n.t('Inspect Package')), ref, false));
      if (chosen?.source === undefined) return;
      const command = { kind: 'package-inspect', package: chosen.source, options: {} } as const;
      const argv = ref ? argvFor(command, ref) : ['package', 'inspect', chosen.source];
      const { lines } = await queries.query(argv, ref ? cwdOf(ref) : home(process.env));
      const document = await vscode.workspace.openTextDocument({ content: lines.join('\n'), language: 'plaintext' });
      await vscode.window.showTextDocument(document, { preview: true });
    },
    filter: async () => {
      const text = await vscode.window.showInputBox({
        title: l10n.t('Filter Clusters'),
        prompt: l10n.t('Enter part of a name, host, role or version. Leave empty to show all clusters.'),
        value: tree.filtered,
      });
      if (text !== undefined) tree.filter(text);
    },
    clearFilter: async () => {
      tree.filter('');
    },
    openClustersFile: async (...args) => openFile(deps, args[0] && 'ref' in args[0] ? args[0].ref : undefined),
    addCluster: async () => add(deps),
    unlock: async (...args) => {
      const ref = await targets.cluster(args, l10n.t('Unlock'));
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
    },
    refreshOld: async () => {
      const old = clusters.clusters.filter(({ id }) => ageOf(status.askedAt(id)) > OLD);
      await Promise.all(old.map((ref) => askStatus(deps, ref)));
    },
  };
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

interface NewCluster {
  readonly path?: string;
  readonly name?: string;
  readonly hosts?: readonly string[];
}

async function add({ clusters }: CommandDeps): Promise<void> {
  const places = clusters.places();
  const known = await readFile(join(home(process.env), '.ssh', 'config'), 'utf8').then(hostsOf, () => []);
  const file: Step<NewCluster> = {
    applies: () => places.length > 1,
    show: async (state, place) => {
      const end = await pickOne(place, {
        placeholder: l10n.t('Where should the cluster be saved?'),
        items: places.map(({ path, folder }) => ({
          label: folder?.name ?? l10n.t('User settings (all workspaces)'),
          detail: path,
          value: path,
        })),
      });
      return end.kind === 'next' ? { kind: 'next', value: { ...state, path: end.value } } : end;
    },
  };
  const name: Step<NewCluster> = {
    show: async (state, place) => {
      const end = await askText(place, {
        prompt: l10n.t('Cluster name'),
        placeholder: 'staging',
        ...(state.name === undefined ? {} : { value: state.name }),
        check: (value) => {
          if (!NAME.test(value)) return l10n.t('Use only letters, digits, ".", "_" and "-".');
          return clusters.clusters.some((ref) => ref.cluster.name === value && ref.file.path === state.path)
            ? l10n.t('A cluster with this name already exists.')
            : undefined;
        },
      });
      return end.kind === 'next' ? { kind: 'next', value: { ...state, name: end.value } } : end;
    },
  };
  const hosts: Step<NewCluster> = {
    applies: () => known.length > 0,
    show: async (state, place) => {
      const end = await pickSeveral<string>(place, {
        placeholder: l10n.t('Select hosts from ~/.ssh/config'),
        picked: state.hosts ?? [],
        items: [
          ...known.map((host) => ({ label: host, value: host })),
          { label: l10n.t('Enter other hosts…'), value: '' },
        ],
      });
      return end.kind === 'next' ? { kind: 'next', value: { ...state, hosts: end.value } } : end;
    },
  };
  const others: Step<NewCluster> = {
    applies: ({ hosts: picked }) => picked === undefined || picked.includes(''),
    show: async (state, place) => {
      const end = await askText(place, {
        prompt: l10n.t('Host names or addresses, separated by spaces'),
        placeholder: '10.0.0.11 10.0.0.12',
        check: (value) =>
          hostList(value).every((host) => /^[A-Za-z0-9_][\w.:-]*$/.test(host))
            ? undefined
            : l10n.t('Enter host names or addresses, separated by spaces.'),
      });
      if (end.kind !== 'next') return end;
      const picked = (state.hosts ?? []).filter((host) => host !== '');
      return { kind: 'next', value: { ...state, hosts: [...picked, ...hostList(end.value)] } };
    },
  };
  const first = places[0];
  if (!first) return;
  const made = await runWizard<NewCluster>(l10n.t('Add Cluster'), [file, name, hosts, others], { path: first.path });
  if (made?.name === undefined || made.path === undefined) return;
  const nodes = (made.hosts ?? []).map((host, index) => ({ name: nodeName(host, index), host }));
  await addCluster(made.path, made.name, { nodes });
  await clusters.reload();
  const ref = clusters.byName(made.name, made.path);
  if (ref) await vscode.commands.executeCommand('clusterlift.openClustersFile', { kind: 'cluster', ref });
}

function hostList(text: string): string[] {
  return text.split(/[\s,]+/).filter((each) => each !== '');
}

function nodeName(host: string, index: number): string {
  return /^[A-Za-z]/.test(host) && NAME.test(host) ? host : `node${String(index + 1)}`;
}
