import { ClusterliftError, ExitStatus } from '../base/errors';
import { parseDuration, parseSize } from '../base/units';
import { ManifestText, type Problem } from './manifest-text';
import { keptSchema, manifestSchema, type ManifestJson } from './manifest-schema';
import type { Recipe } from './recipe';
import { parseRange, type VersionRange } from './version';

/** The name of the manifest, at the root of an image. */
export const MANIFEST_FILE = 'upgrade.json';
/** Bytes; real ones have two thousand. */
export const MOST_MANIFEST = 1024 * 1024;

export type ScriptName = 'version' | 'check' | 'stop' | 'upgrade' | 'start' | 'provision' | 'health' | 'restore';
export type TimeoutName = ScriptName | 'reboot' | 'backup';

/** upgrade.json, checked and complete. Durations in milliseconds, sizes in bytes. */
export interface Manifest {
  readonly schema: 1;
  readonly product: string;
  readonly version: string;
  readonly compatible: {
    /** As written; undefined: from any version. */
    readonly from: string | undefined;
    readonly range: VersionRange | undefined;
    /** As `uname -m` prints them; undefined: any. */
    readonly arch: readonly string[] | undefined;
    /** IDs of /etc/os-release; undefined: any. */
    readonly os: readonly string[] | undefined;
  };
  readonly needs: { readonly disk: number; readonly commands: readonly string[] };
  /** Order of a serial run; empty: none. */
  readonly roles: readonly string[];
  /** Paths inside the image. */
  readonly scripts: Readonly<Record<'version' | 'upgrade', string>> & Readonly<Record<ScriptName, string | undefined>>;
  readonly provision: 'always' | 'when-required' | 'never';
  /** The provision script may be repeated when nobody knows whether it ran. */
  readonly idempotent: boolean;
  readonly timeouts: Readonly<Record<TimeoutName, number>>;
  readonly health: { readonly interval: number; readonly stable: number };
  /** Stop and start around a backup. */
  readonly quiet: boolean;
  readonly backup: { readonly paths: readonly string[]; readonly exclude: readonly string[] } | undefined;
  /** The image has no manifest: these commands of the cluster's configuration stand in for its scripts. */
  readonly recipe: Recipe | undefined;
}

const MINUTE = 60_000;
/** Long enough for a slow node; an upgrade past its time is followed on, never killed. */
const TIMEOUTS: Readonly<Record<TimeoutName, number>> = {
  version: MINUTE,
  check: 5 * MINUTE,
  stop: 5 * MINUTE,
  upgrade: 30 * MINUTE,
  start: 5 * MINUTE,
  reboot: 15 * MINUTE,
  provision: 30 * MINUTE,
  health: 2 * MINUTE,
  restore: 30 * MINUTE,
  backup: 120 * MINUTE,
};

/** A manifest and the JSON value that it came from; `manifestOf(value)` gives the same manifest again. */
export interface ParsedManifest {
  readonly manifest: Manifest;
  readonly value: unknown;
}

/**
 * Reads the text of an upgrade.json. Comments and trailing commas are taken; unknown keys are not.
 * @param file how errors call it, such as `acme.iso/upgrade.json`
 * @throws ClusterliftError `manifest-invalid` with line and column of the first problem
 */
export function parseManifest(text: string, file: string = MANIFEST_FILE): ParsedManifest {
  return parse(text, file, manifestSchema);
}

/**
 * A manifest from its JSON value, as kept in a plan or on a node.
 * @throws ClusterliftError `manifest-invalid`
 */
export function manifestOf(value: unknown): Manifest {
  return parse(value === undefined ? '' : JSON.stringify(value), MANIFEST_FILE, keptSchema).manifest;
}

function parse(text: string, file: string, schema: typeof manifestSchema | typeof keptSchema): ParsedManifest {
  const document = ManifestText.parse(text);
  const problems = document.problems();
  if (problems.length > 0) throw invalid(file, document, problems);
  const value = document.value();
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    throw invalid(
      file,
      document,
      parsed.error.issues.flatMap((issue) => document.problemsOf(issue)),
    );
  }
  return { manifest: complete(parsed.data), value };
}

function complete(json: ManifestJson): Manifest {
  const { from, arch, os } = json.compatible ?? {};
  const { version, upgrade, check, stop, start, provision, health, restore } = json.scripts;
  return {
    schema: 1,
    product: json.product,
    version: json.version,
    compatible: { from, range: from === undefined ? undefined : parseRange(from), arch, os },
    needs: { disk: sizeOf(json.needs?.disk), commands: json.needs?.commands ?? [] },
    roles: json.roles ?? [],
    scripts: { version, upgrade, check, stop, start, provision, health, restore },
    provision: json.provision ?? 'when-required',
    idempotent: json.idempotent ?? false,
    timeouts: timeoutsOf(json.timeouts),
    health: { interval: durationOf(json.health?.interval, 1000), stable: durationOf(json.health?.stable, 0) },
    quiet: json.quiet ?? false,
    backup: json.backup && { paths: json.backup.paths, exclude: json.backup.exclude ?? [] },
    recipe: json.recipe,
  };
}

function timeoutsOf(json: ManifestJson['timeouts']): Manifest['timeouts'] {
  const names = Object.keys(TIMEOUTS) as TimeoutName[];
  return Object.fromEntries(
    names.map((name) => [name, durationOf(json?.[name], TIMEOUTS[name])]),
  ) as Manifest['timeouts'];
}

function durationOf(text: string | undefined, otherwise: number): number {
  return text === undefined ? otherwise : (parseDuration(text) ?? otherwise);
}

function sizeOf(size: string | number | undefined): number {
  return typeof size === 'number' ? size : (parseSize(size ?? '0') ?? 0);
}

function invalid(file: string, document: ManifestText, problems: readonly Problem[]): ClusterliftError {
  const [first, ...others] = [...problems].sort((a, b) => a.offset - b.offset);
  const at = document.position(first?.offset ?? 0);
  const more = others.length === 0 ? '' : ` (and ${String(others.length)} more)`;
  return new ClusterliftError({
    code: 'manifest-invalid',
    message: `${file}:${String(at.line)}:${String(at.column)}: ${first?.message ?? 'it is not a manifest'}${more}`,
    hint: first?.hint ?? 'Mend the manifest and make the image again.',
    exit: ExitStatus.refused,
    at: { file, ...at },
  });
}
