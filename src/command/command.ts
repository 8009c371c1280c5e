import type { Mode, OnFailure } from '../cluster/model';

/** What a person asked for: the result of parsing a command line, and what the palette and the tasks put together. */
export type Command =
  | {
      readonly kind: 'upgrade';
      /** A file here, a file on the primary, `node:<path>`, or a URL; undefined: the newest on the primary. */
      readonly package?: string;
      readonly mode?: Mode;
      /** Name of a location, or `none`. */
      readonly backup?: string;
      readonly options: Options;
    }
  | { readonly kind: 'status'; readonly options: Options }
  | { readonly kind: 'check'; readonly package?: string; readonly options: Options }
  | { readonly kind: 'provision'; readonly mode?: Mode; readonly options: Options }
  | { readonly kind: 'backup-add'; readonly name: string; readonly uri: string; readonly options: Options }
  | { readonly kind: 'backup-remove'; readonly name: string; readonly options: Options }
  | { readonly kind: 'backup-list'; readonly location?: string; readonly options: Options }
  | { readonly kind: 'backup-create'; readonly location: string; readonly options: Options }
  | { readonly kind: 'backup-verify'; readonly point: string; readonly options: Options }
  | { readonly kind: 'backup-restore'; readonly point: string; readonly options: Options }
  | { readonly kind: 'backup-clean'; readonly location: string; readonly keep: number; readonly options: Options }
  | { readonly kind: 'package-inspect'; readonly package: string; readonly options: Options }
  | { readonly kind: 'runs'; readonly run?: string; readonly options: Options }
  | { readonly kind: 'runs-abandon'; readonly run: string; readonly options: Options }
  | { readonly kind: 'attach' | 'resume' | 'stop'; readonly run?: string; readonly options: Options }
  | { readonly kind: 'unlock'; readonly options: Options & { readonly reason: string } }
  /** The topic is the name of a command (`backup add`) or of a group (`backup`). */
  | { readonly kind: 'help'; readonly topic?: string; readonly options: Options }
  | { readonly kind: 'version'; readonly options: Options }
  | { readonly kind: 'completion'; readonly shell: Shell; readonly options: Options };

export type CommandKind = Command['kind'];

/** What becomes a run, with events, once it is planned; everything else tells lines. */
export const BECOMES_RUN: ReadonlySet<CommandKind> = new Set<CommandKind>([
  'upgrade',
  'provision',
  'backup-create',
  'backup-restore',
  'resume',
]);
export type UpgradeCommand = Extract<Command, { kind: 'upgrade' }>;
export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** A person's word about a step whose outcome nobody can find out. */
export interface Decision {
  readonly node: string;
  readonly answer: Answer;
}
export const ANSWERS = ['retry', 'done', 'failed'] as const;
export type Answer = (typeof ANSWERS)[number];

/** Every option of every command; which command takes which is in grammar.ts. Absent = not said. */
export interface Options {
  readonly cluster?: string;
  /** Path of a clusters.json. */
  readonly config?: string;
  readonly nodes?: readonly string[];
  /** Entries such as `1` or `25%`. */
  readonly batch?: readonly string[];
  /** `2` or `25%`. */
  readonly maxFailures?: string;
  readonly onFailure?: OnFailure;
  /** 64 lower-case hexadecimal digits. */
  readonly sha256?: string;
  readonly dryRun?: true;
  /** Codes of checks. */
  readonly override?: readonly string[];
  readonly location?: string;
  /** Who downloads a URL. */
  readonly fetch?: 'here' | 'primary';
  readonly distribution?: 'auto' | 'direct' | 'relay';
  /** Bytes a second, over all nodes. */
  readonly limitRate?: number;
  /** Milliseconds. */
  readonly giveUp?: number;
  readonly reason?: string;
  readonly fromNodes?: true;
  readonly decide?: readonly Decision[];
  readonly json?: true;
  readonly yes?: true;
  /** Ask before anything changes, also where nothing would be asked. */
  readonly ask?: true;
  /** The name of a production cluster, typed. */
  readonly confirm?: string;
  readonly acceptNewHostKeys?: true;
}
export type OptionKey = keyof Options;
