import { basename } from 'node:path';
import * as vscode from 'vscode';
import { ClusterliftError, ExitStatus, hasCode, messageOf } from '../../base/errors';
import { line } from '../../base/text';
import { formatSize } from '../../base/units';
import { publicPackage } from '../../command/format';
import { packageSource } from '../../command/values';
import type { ClusterRef } from '../clusters/model';
import { argvFor, cwdOf } from '../clusters/argv';
import { asLabel } from '../shared/escape';
import type { Queries } from '../shared/queries';
import { plannedOf } from './planned';
import { askText, pickOne, type Choice, type Place, type StepEnd } from './steps';

const { l10n } = vscode;

/** A package as chosen. `source` undefined: the newest on the primary. */
export interface PackageChoice {
  readonly source: string | undefined;
  /** `acme-voice 24.2.0`, or why it is not known. */
  readonly about: string;
}

const RECENT = 'clusterlift.recentPackages';
const MOST_RECENT = 6;

/** Codes of what is wrong with the packages themselves. */
const ABOUT_PACKAGES = /^(?:no-)?package-/;

type Answer = { readonly kind: 'newest' | 'file' | 'url' } | { readonly kind: 'recent'; readonly source: string };

/** Chooses a package: the newest on the cluster, a file, a URL, or one of the last. What is chosen is inspected, wherever it lies. */
export class PackagePicker {
  constructor(
    private readonly queries: Queries,
    private readonly memento: vscode.Memento,
  ) {}

  async pick(place: Place, ref: ClusterRef | undefined, newest: boolean): Promise<StepEnd<PackageChoice>> {
    let refused: Error | undefined;
    for (;;) {
      const answer = await this.#choose(place, ref, newest, refused);
      if (answer.kind !== 'next') return answer;
      const end = await this.#source(place, answer.value);
      if (end.kind === 'cancel') return end;
      if (end.kind === 'back') continue;
      const source = end.value;
      const about = await this.#inspect(source, ref);
      if (about instanceof Error) {
        refused = hasCode(about, 'cancelled') ? undefined : about;
        continue;
      }
      if (source === '') return { kind: 'next', value: { source: undefined, about } };
      await this.#remember(source);
      return { kind: 'next', value: { source, about } };
    }
  }

  /** @param refused why the one that was chosen before cannot be used: a notification is not seen beside a list */
  async #choose(
    place: Place,
    ref: ClusterRef | undefined,
    newest: boolean,
    refused: Error | undefined,
  ): Promise<StepEnd<Answer>> {
    const recent = this.memento.get<string[]>(RECENT, []);
    const items = (about: ReadonlyMap<string, string>): Choice<Answer>[] => [
      ...(refused === undefined
        ? []
        : [
            {
              label: `$(warning) ${hasCode(refused, 'no-package-found') ? l10n.t('No usable package found in {0} on {1}', ref?.cluster.packageDirs.join(', ') ?? '?', ref?.cluster.primary ?? '?') : l10n.t('This package cannot be used')}`,
              detail: asLabel(messageOf(refused), 500),
            },
          ]),
      ...(newest
        ? [
            {
              label: `$(cloud) ${l10n.t('Newest package on the cluster')}`,
              detail: l10n.t('The newest package in the package directories on {0}.', ref?.cluster.primary ?? '?'),
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
                known.set(source, await this.#about(source, ref, signal).catch(() => l10n.t('currently not readable')));
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
              packageSource.read(value) === undefined ? l10n.t('Enter a path or an http(s) URL.') : undefined,
          },
        );
      }
    }
  }

  /** @returns what is to be known of it, or why it cannot be used: `cancelled` when nobody wanted to wait for that */
  async #inspect(source: string, ref: ClusterRef | undefined): Promise<string | Error> {
    const title =
      source === ''
        ? l10n.t('Looking for the newest package on the cluster')
        : l10n.t('Inspecting {0}', basename(publicPackage(source) ?? ''));
    const options = { location: vscode.ProgressLocation.Notification, title, cancellable: true };
    try {
      return await vscode.window.withProgress(options, (_, token) => {
        const signal = signalOf(token);
        return source === '' && ref ? this.#newest(ref, signal) : this.#about(source, ref, signal);
      });
    } catch (error) {
      return error instanceof Error ? error : new Error(messageOf(error));
    }
  }

  async #about(source: string, ref: ClusterRef | undefined, signal: AbortSignal): Promise<string> {
    const command = { kind: 'package-inspect', package: source, options: {} } as const;
    const argv = ref ? argvFor(command, ref) : ['package', 'inspect', source];
    const cwd = ref ? cwdOf(ref) : (vscode.workspace.workspaceFolders?.[0]?.uri.fsPath ?? process.cwd());
    const [row] = await this.queries.rows(argv, cwd, signal);
    return aboutOf(row);
  }

  /** What an upgrade would take now. A primary that does not answer does not change the choice of package. */
  async #newest(ref: ClusterRef, signal: AbortSignal): Promise<string> {
    const options = { nodes: [ref.cluster.primary], dryRun: true } as const;
    const argv = argvFor({ kind: 'upgrade', options }, ref);
    const { rows, error } = await this.queries.query([...argv, '--json'], cwdOf(ref), signal);
    const planned = plannedOf(rows);
    if (planned?.path !== undefined) return this.#about(`node:${planned.path}`, ref, signal);
    if (error && ABOUT_PACKAGES.test(error.code)) throw new ClusterliftError({ ...error, exit: ExitStatus.refused });
    return l10n.t('the newest package on the cluster');
  }

  async #remember(source: string): Promise<void> {
    // A URL with a query or a user may hold a secret.
    if (publicPackage(source) !== source) return;
    const others = this.memento.get<string[]>(RECENT, []).filter((each) => each !== source);
    await this.memento.update(RECENT, [source, ...others].slice(0, MOST_RECENT));
  }
}

/** `acme-voice 24.2.0 · from >=23.1 · x86_64 · debian, rhel · 1.2 GiB · signed by release` */
function aboutOf(row: unknown): string {
  const { product, version, size, manifest, signature } = (row ?? {}) as Record<string, unknown>;
  const { from, arch, os } = (manifest as { compatible?: Record<string, unknown> } | undefined)?.compatible ?? {};
  return [
    `${text(product)} ${text(version)}`.trim(),
    typeof from === 'string' ? l10n.t('from {0}', line(from, 40)) : '',
    ...[arch, os].map((each) => (Array.isArray(each) ? each.slice(0, 5).map(text).join(', ') : '')),
    typeof size === 'number' ? formatSize(size) : '',
    signedWords(signature),
  ]
    .filter((each) => each !== '')
    .join(' · ');
}

/** What the signature is worth; nothing where there is none. */
function signedWords(signature: unknown): string {
  const { state, name, why } = (signature ?? {}) as Record<string, unknown>;
  switch (state) {
    case 'trusted':
      return l10n.t('signed by {0}', text(name));
    case 'unknown':
      return l10n.t('signed by {0}, not a trusted signer', text(name));
    case 'early':
    case 'expired':
      return l10n.t('signed by {0}, but the key is not valid now', text(name));
    case 'revoked':
      return l10n.t('signed by {0}, but the key is revoked', text(name));
    case 'invalid':
      return l10n.t('invalid signature: {0}', text(why));
    default:
      return '';
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? line(value, 60) : '';
}

function signalOf(token: vscode.CancellationToken): AbortSignal {
  const controller = new AbortController();
  token.onCancellationRequested(() => controller.abort());
  return controller.signal;
}
