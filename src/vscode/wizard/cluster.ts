import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as vscode from 'vscode';
import { home } from '../../base/paths';
import { NAME } from '../../cluster/names';
import type { ClustersModel } from '../clusters/model';
import { hostsOf } from './ssh-hosts';
import { askText, pickOne, pickSeveral, runWizard, type Step } from './steps';

const { l10n } = vscode;

interface NewCluster {
  /** Of the clusters.json that it goes into. */
  readonly path: string;
  readonly name: string;
  readonly nodes: readonly { readonly name: string; readonly host: string }[];
}

interface Answers {
  readonly path?: string;
  readonly name?: string;
  readonly hosts?: readonly string[];
}

/** Asks for the file, the name and the hosts of a new cluster. @returns undefined: cancelled */
export async function askNewCluster(clusters: ClustersModel): Promise<NewCluster | undefined> {
  const [first] = clusters.places();
  if (!first) return undefined;
  const known = await readFile(join(home(process.env), '.ssh', 'config'), 'utf8').then(hostsOf, () => []);
  const steps = [fileStep(clusters), nameStep(clusters), hostsStep(known), otherHostsStep()];
  const made = await runWizard<Answers>(l10n.t('Add Cluster'), steps, { path: first.path });
  if (made?.name === undefined || made.path === undefined) return undefined;
  const nodes = (made.hosts ?? []).map((host, index) => ({ name: nodeName(host, index), host }));
  return { path: made.path, name: made.name, nodes };
}

function fileStep(clusters: ClustersModel): Step<Answers> {
  const places = clusters.places();
  return {
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
}

function nameStep(model: ClustersModel): Step<Answers> {
  return {
    show: async (state, place) => {
      const end = await askText(place, {
        prompt: l10n.t('Cluster name'),
        placeholder: 'staging',
        ...(state.name === undefined ? {} : { value: state.name }),
        check: (value) => {
          if (!NAME.test(value)) return l10n.t('Use only letters, digits, ".", "_" and "-".');
          return model.clusters.some((ref) => ref.cluster.name === value && ref.file.path === state.path)
            ? l10n.t('A cluster with this name already exists.')
            : undefined;
        },
      });
      return end.kind === 'next' ? { kind: 'next', value: { ...state, name: end.value } } : end;
    },
  };
}

function hostsStep(known: readonly string[]): Step<Answers> {
  return {
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
}

function otherHostsStep(): Step<Answers> {
  return {
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
}

function hostList(text: string): string[] {
  return text.split(/[\s,]+/).filter((each) => each !== '');
}

function nodeName(host: string, index: number): string {
  return /^[A-Za-z]/.test(host) && NAME.test(host) ? host : `node${String(index + 1)}`;
}
