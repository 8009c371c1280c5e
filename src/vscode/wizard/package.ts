import { basename } from 'node:path';
import * as vscode from 'vscode';
import { hasCode, messageOf } from '../../base/errors';
import { line } from '../../base/text';
import { formatSize } from '../../base/units';
import { publicPackage } from '../../command/format';
import { packageSource } from '../../command/values';
import type { ClusterRef } from '../clusters/model';
import { argvFor, cwdOf } from '../commands/argv';
import { asLabel } from '../foreign';
import type { Looker } from '../looker';
import { askText, pickOne, type Choice, type Place, type StepEnd } from './steps';
import { tell } from '../tell';

const { l10n } = vscode;

/** A package as chosen. `source` undefined: the newest on the primary. */
export interface PackageChoice {
  readonly source: string | undefined;
  /** `acme-voice 24.2.0`, or why it is not known. */
  readonly about: string;
}

const RECENT = 'clusterlift.recentPackages';
const MOST_RECENT = 6;

type Answer = { readonly kind: 'newest' | 'file' | 'url' } | { readonly kind: 'recent'; readonly source: string };

/** Chooses a package: the newest on the cluster, a file, a URL, or one of the last. What is chosen is inspected, wherever it lies. */
export class PackagePicker {
  constructor(
    private readonly looker: Looker,
    private readonly memento: vscode.Memento,
  ) {}

  async pick(place: Place, ref: ClusterRef | undefined, newest: boolean): Promise<StepEnd<PackageChoice>> {
    for (;;) {
      const answer = await this.#choose(place, ref, newest);
      if (answer.kind !== 'next') return answer;
      const end = await this.#source(place, answer.value);
      if (end.kind === 'cancel') return end;
      if (end.kind === 'back') continue;
      const source = end.value;
      if (source === '')
        return { kind: 'next', value: { source: undefined, about: l10n.t('the newest on the cluster') } };
      const about = await this.#inspect(source, ref);
      if (about === undefined) continue;
      await this.#remember(source);
      return { kind: 'next', value: { source, about } };
    }
  }

  async #choose(place: Place, ref: ClusterRef | undefined, newest: boolean): Promise<StepEnd<Answer>> {
    const recent = this.memento.get<string[]>(RECENT, []);
    const items = (about: ReadonlyMap<string, string>): Choice<Answer>[] => [
      ...(newest
        ? [
            {
              label: `$(cloud) ${l10n.t('Newest on the cluster')}`,
              detail: l10n.t('The newest package in the package directories of {0}.', ref?.cluster.primary ?? '?'),
              value: { kind: 'newest' } as const,
            },
          ]
        : []),
      {
        label: `$(file) ${l10n.t('Choose a file…')}`,
        detail: l10n.t('An ISO image on this machine.'),
        value: { kind: 'file' },
      },
      {
        label: `$(link) ${l10n.t('Enter a URL or a path…')}`,
        detail: l10n.t('http, https, or node:<path> for a file on the primary.'),
        value: { kind: 'url' },
      },
      ...(recent.length > 0 ? [{ label: l10n.t('Recent'), kind: vscode.QuickPickItemKind.Separator }] : []),
      ...recent.map((source): Choice<Answer> => ({
        label: `$(package) ${asLabel(basename(source))}`,
        description: asLabel(about.get(source) ?? ''),
        detail: asLabel(source, 500),
        value: { kind: 'recent', source },
      })),
    ];
    return pickOne(place, {
      placeholder: l10n.t('Which package?'),
      items: items(new Map()),
      ...(recent.length === 0
        ? {}
        : {
            later: async (show, signal) => {
              const known = new Map<string, string>();
              for (const source of recent) {
                known.set(source, await this.#about(source, ref, signal).catch(() => l10n.t('cannot be read now')));
                if (signal.aborted) return;
              }
              show(items(known));
            },
          }),
    });
  }

  /** Back: to the list. Empty: the newest. */
  async #source(place: Place, answer: Answer): Promise<StepEnd<string>> {
    switch (answer.kind) {
      case 'newest':
        return { kind: 'next', value: '' };
      case 'recent':
        return { kind: 'next', value: answer.source };
      case 'file': {
        const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
        const files = await vscode.window.showOpenDialog({
          title: l10n.t('Choose a package'),
          filters: { [l10n.t('Packages')]: ['iso', 'ISO'], [l10n.t('All files')]: ['*'] },
          ...(folder ? { defaultUri: folder } : {}),
        });
        return files?.[0] ? { kind: 'next', value: files[0].fsPath } : { kind: 'back' };
      }
      case 'url': {
        return askText(
          { ...place, step: Math.max(2, place.step) },
          {
            prompt: l10n.t('URL or path of the package'),
            placeholder: 'https://…/acme-24.2.0.iso',
            check: (value) =>
              packageSource.read(value) === undefined ? l10n.t('This is no path and no http(s) URL.') : undefined,
          },
        );
      }
    }
  }

  async #inspect(source: string, ref: ClusterRef | undefined): Promise<string | undefined> {
    try {
      return await vscode.window.withProgress(
        {
          location: vscode.ProgressLocation.Notification,
          title: l10n.t('Looking at {0}', basename(publicPackage(source) ?? '')),
          cancellable: true,
        },
        (_, token) => this.#about(source, ref, signalOf(token)),
      );
    } catch (error) {
      if (hasCode(error, 'cancelled')) return undefined;
      void tell.warning(l10n.t('This package cannot be used: {0}', messageOf(error)));
      return undefined;
    }
  }

  async #about(source: string, ref: ClusterRef | undefined, signal: AbortSignal): Promise<string> {
    const command = { kind: 'package-inspect', package: source, options: {} } as const;
    const argv = ref ? argvFor(command, ref) : ['package', 'inspect', source];
    const cwd = ref ? cwdOf(ref) : (vscode.workspace.workspaceFolders?.[0]?.uri.fsPath ?? process.cwd());
    const [row] = await this.looker.rows(argv, cwd, signal);
    return aboutOf(row);
  }

  async #remember(source: string): Promise<void> {
    // A URL with a query or a user may hold a secret.
    if (publicPackage(source) !== source) return;
    const others = this.memento.get<string[]>(RECENT, []).filter((each) => each !== source);
    await this.memento.update(RECENT, [source, ...others].slice(0, MOST_RECENT));
  }
}

/** `acme-voice 24.2.0 · from >=23.1 · 1.2 GiB` */
function aboutOf(row: unknown): string {
  const { product, version, size, manifest } = (row ?? {}) as Record<string, unknown>;
  const compatible = (manifest as { compatible?: { from?: unknown } } | undefined)?.compatible;
  return [
    `${text(product)} ${text(version)}`.trim(),
    typeof compatible?.from === 'string' ? l10n.t('from {0}', line(compatible.from, 40)) : '',
    typeof size === 'number' ? formatSize(size) : '',
  ]
    .filter((each) => each !== '')
    .join(' · ');
}

function text(value: unknown): string {
  return typeof value === 'string' ? line(value, 60) : '';
}

function signalOf(token: vscode.CancellationToken): AbortSignal {
  const controller = new AbortController();
  token.onCancellationRequested(() => controller.abort());
  return controller.signal;
}
