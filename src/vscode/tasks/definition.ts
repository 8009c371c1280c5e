import { readCode } from '../../base/catalogue';
import { l10n } from 'vscode';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import { commandSpec } from '../../command/grammar';
import { OPTIONS } from '../../command/options';
import type { Command, OptionKey, Options } from '../../command/command';
import { publicPackage } from '../../command/format';
import type { AnyOption } from '../../command/tokens';
import { packageSource } from '../../command/values';

/** What stands in tasks.json; package.json carries the same as a schema. The editor resolves `${…}` before. */
export interface TaskDefinition {
  readonly type: 'clusterlift';
  readonly command: TaskCommand;
  readonly cluster?: string;
  readonly config?: string;
  readonly package?: string;
  readonly mode?: 'serial' | 'fast';
  readonly backup?: string;
  readonly point?: string;
  readonly location?: string;
  readonly nodes?: readonly string[];
  readonly batch?: readonly (string | number)[];
  readonly maxFailures?: string | number;
  readonly onFailure?: 'stop' | 'continue' | 'rollback';
  readonly sha256?: string;
  readonly override?: readonly string[];
  readonly fetch?: 'here' | 'primary';
  readonly distribution?: 'auto' | 'direct' | 'relay';
  readonly limitRate?: string | number;
  readonly giveUp?: string;
  readonly dryRun?: boolean;
  readonly ask?: boolean;
  readonly confirm?: string;
}

const COMMANDS = {
  upgrade: 'upgrade',
  check: 'check',
  status: 'status',
  backup: 'backup-create',
  'backup create': 'backup-create',
  restore: 'backup-restore',
  provision: 'provision',
} as const;
export type TaskCommand = keyof typeof COMMANDS;

export const TASK_TYPE = 'clusterlift';

/** A definition as it comes: foreign data. */
type Rec = Readonly<Record<string, unknown>>;

/** Words of the command; all other properties are options. */
const WORDS = ['type', 'command', 'package', 'mode', 'backup', 'point', 'location'] as const;

/**
 * The command of a definition from tasks.json: foreign data.
 * @throws ClusterliftError `task-…` with status 2, naming the property
 */
export function commandOf(definition: Rec): Command {
  const wanted = definition['command'];
  if (typeof wanted !== 'string' || !Object.hasOwn(COMMANDS, wanted)) {
    throw wrong('command', l10n.t('"command" must be one of: {0}', Object.keys(COMMANDS).join(', ')));
  }
  const kind = COMMANDS[wanted as TaskCommand];
  const options = optionsOf(definition, kind);
  switch (kind) {
    case 'upgrade':
      return {
        kind,
        ...word('package', packageOf(definition)),
        ...word('mode', modeOf(definition)),
        ...word('backup', text(definition, 'backup')),
        options,
      };
    case 'check':
      return { kind, ...word('package', packageOf(definition)), options };
    case 'provision':
      return { kind, ...word('mode', modeOf(definition)), options };
    case 'status':
      return { kind, options };
    case 'backup-create':
      return { kind, location: needed(definition, 'backup', wanted), options };
    case 'backup-restore':
      return {
        kind,
        point: needed(definition, 'point', wanted),
        options: { ...options, ...word('location', text(definition, 'location')) },
      };
  }
}

/**
 * The definition that means the same as a command, as the editor may keep it: without the secrets of a URL, and without a
 * name that was typed once, which does not count for later runs. Undefined where tasks.json has no word for the command.
 */
export function definitionOf(command: Command): TaskDefinition | undefined {
  const { options } = command;
  const rest = Object.fromEntries(
    (Object.keys(options) as OptionKey[]).flatMap((key): [string, unknown][] => {
      if (key === 'json' || key === 'yes' || key === 'ask' || key === 'confirm') return [];
      return [[key, taskValue(key, options[key])]];
    }),
  );
  const base = { type: TASK_TYPE, ...rest } as const;
  switch (command.kind) {
    case 'upgrade': {
      const { package: source, mode, backup } = command;
      return {
        ...base,
        command: 'upgrade',
        ...word('package', publicPackage(source)),
        ...word('mode', mode),
        ...word('backup', backup),
      };
    }
    case 'check':
      return { ...base, command: 'check', ...word('package', publicPackage(command.package)) };
    case 'provision':
      return { ...base, command: 'provision', ...word('mode', command.mode) };
    case 'status':
      return { ...base, command: 'status' };
    case 'backup-create':
      return { ...base, command: 'backup create', backup: command.location };
    case 'backup-restore':
      return { ...base, command: 'restore', point: command.point };
    default:
      return undefined;
  }
}

/** A definition with all of the URL that a person gave for its command, and which no task keeps. */
export function givenFor(command: Command): (definition: Rec) => Rec {
  const source = 'package' in command ? command.package : undefined;
  return (definition) => ({ ...definition, ...word('package', source) });
}

/** Is it a property that says what a task does? The others are the editor's. */
export function isOurProperty(key: string): boolean {
  return WORDS.some((each) => each === key) || Object.hasOwn(OPTIONS, key);
}

/** For *Save as Task*: `mode` and `backup` of an upgrade always stand there, so that a reader sees what will happen. */
export function explicit(
  definition: TaskDefinition,
  defaults: { mode: 'serial' | 'fast'; backup: string },
): TaskDefinition {
  if (definition.command !== 'upgrade') return definition;
  return { ...definition, mode: definition.mode ?? defaults.mode, backup: definition.backup ?? defaults.backup };
}

/** A short name for people: `upgrade staging`. */
export function nameOf({ command, cluster, backup }: TaskDefinition): string {
  const what = COMMANDS[command] === 'backup-create' ? `backup create ${backup ?? '?'}` : command;
  return cluster === undefined ? what : `${what} ${cluster}`;
}

/**
 * Why a task is not started: the editor starts background tasks and those of `runOn: folderOpen` by itself after a reload.
 * What only looks may, unless it names a package: its scripts would run on the nodes.
 */
export function refusal(
  definition: Rec,
  task: { readonly isBackground: boolean; readonly runOn: unknown },
): ClusterliftError | undefined {
  const looks =
    definition['command'] === 'check' || definition['command'] === 'status' || definition['dryRun'] === true;
  const named = definition['package'] !== undefined && definition['package'] !== '';
  if (looks && !named) return undefined;
  const by = task.isBackground ? '"isBackground"' : task.runOn === 'folderOpen' ? '"runOn": "folderOpen"' : undefined;
  if (by === undefined) return undefined;
  return new ClusterliftError({
    code: 'task-starts-itself',
    message: looks
      ? l10n.t(
          'The editor starts a task with {0} automatically, even after a reload. The scripts of a package cannot run that way',
          by,
        )
      : l10n.t(
          'The editor starts a task with {0} automatically, even after a reload. Tasks that change a cluster cannot start that way',
          by,
        ),
    hint: looks ? l10n.t('Remove {0} or "package" from the task.', by) : l10n.t('Remove {0} from the task.', by),
    exit: ExitStatus.usage,
  });
}

function optionsOf(definition: Rec, kind: Command['kind']): Options {
  const spec = commandSpec(kind);
  const found: [OptionKey, unknown][] = [];
  for (const [key, value] of Object.entries(definition)) {
    if (WORDS.some((each) => each === key) || value === undefined) continue;
    const option: AnyOption | undefined = Object.hasOwn(OPTIONS, key) ? OPTIONS[key as OptionKey] : undefined;
    if (!option || !spec.options.includes(key as OptionKey))
      throw wrong(key, l10n.t('"{0}" does not apply to {1}', key, spec.name));
    const read = readOption(option, value);
    if (read === null)
      throw wrong(key, l10n.t('"{0}" must be {1}', key, option.value?.expects ?? l10n.t('true or false')));
    if (read !== undefined) found.push([key as OptionKey, read]);
  }
  // `OPTIONS` says of each key what its value reads as; the compiler checks that table against `Options`.
  return Object.fromEntries(found);
}

/** Undefined: not said. Null: no such value. */
function readOption(option: AnyOption, value: unknown): unknown {
  const { value: kind } = option;
  if (!kind) return value === true ? true : value === false ? undefined : null;
  const given: unknown[] = Array.isArray(value) ? value : [value];
  // `"maxFailures": 1` is what people write.
  const texts = given.map((each) => (typeof each === 'number' ? String(each) : each));
  if (!texts.every((each) => typeof each === 'string')) return null;
  if (option.form === 'value') return kind.read(texts.join()) ?? null;
  const read = texts.map((each) => kind.read(each));
  return read.some((each) => each === undefined) ? null : read;
}

function taskValue(key: OptionKey, value: unknown): unknown {
  if (typeof value === 'string' || value === true || Array.isArray(value)) return value;
  const option: AnyOption = OPTIONS[key];
  return option.value?.write(value) ?? value;
}

function packageOf(definition: Rec): string | undefined {
  const source = text(definition, 'package');
  if (source !== undefined && packageSource.read(source) === undefined)
    throw wrong('package', l10n.t('"{0}" must be {1}', 'package', packageSource.expects));
  return source;
}

function modeOf(definition: Rec): 'serial' | 'fast' | undefined {
  const mode = text(definition, 'mode');
  if (mode === undefined || mode === 'serial' || mode === 'fast') return mode;
  throw wrong('mode', l10n.t('"{0}" must be {1}', 'mode', 'serial | fast'));
}

function text(definition: Rec, key: string): string | undefined {
  const value = definition[key];
  if (value === undefined || value === '') return undefined;
  if (typeof value !== 'string' || /\p{Cc}/u.test(value)) throw wrong(key, l10n.t('"{0}" must be a string', key));
  return value;
}

function needed(definition: Rec, key: string, command: string): string {
  const value = text(definition, key);
  if (value === undefined) throw wrong(key, l10n.t('"{0}" needs "{1}"', command, key));
  return value;
}

function word<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return (value === undefined ? {} : { [key]: value }) as Partial<Record<K, V>>;
}

function wrong(property: string, message: string): ClusterliftError {
  return new ClusterliftError({
    code: readCode(`task-${property}`),
    message: l10n.t('The task is not valid: {0}', message),
    hint: l10n.t('Fix it in tasks.json. Completion there lists every property.'),
    exit: ExitStatus.usage,
  });
}
