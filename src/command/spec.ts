import type { CommandKind, OptionKey } from './command';
import * as values from './values';
import type { Value } from './values';

/** What the table of commands is made of. */

type Readable = Omit<Value<unknown>, 'write'>;

/** What may stand after the name of a command, besides options. */
export type WordSpec =
  /** A word known by its place. Required ones come first, in this order. */
  | {
      readonly form: 'place';
      readonly key: WordKey;
      readonly required: boolean;
      readonly value: Readable;
      readonly about: string;
    }
  /** One of a few words, anywhere. */
  | {
      readonly form: 'choice';
      readonly key: WordKey;
      readonly choices: readonly { readonly word: string; readonly about: string }[];
    }
  /** A word and the one after it, anywhere. */
  | {
      readonly form: 'after';
      readonly keyword: string;
      readonly key: WordKey;
      readonly required: boolean;
      readonly value: Readable;
      readonly about: string;
    };
export type WordKey =
  'package' | 'mode' | 'backup' | 'name' | 'uri' | 'location' | 'point' | 'keep' | 'run' | 'topic' | 'shell';

export interface CommandSpec {
  readonly kind: CommandKind;
  /** Its words: `backup add`. */
  readonly name: string;
  /** One line. */
  readonly summary: string;
  /** Paragraphs. */
  readonly about: readonly string[];
  readonly words: readonly WordSpec[];
  readonly options: readonly OptionKey[];
  /** Options without which it does not run. */
  readonly needs?: readonly OptionKey[];
  /** Does it change anything on a node or in a file? The others only read. */
  readonly changes: boolean;
  readonly examples: readonly { readonly line: string; readonly about: string }[];
}

/** Words that several commands share. */
export const MODE: WordSpec = {
  form: 'choice',
  key: 'mode',
  choices: [
    { word: 'serial', about: 'one node after the other, in role order; each must be healthy before the next starts' },
    { word: 'fast', about: 'all nodes at once (the default)' },
  ],
};
export const place = (key: WordKey, value: Readable, about: string, required = true): WordSpec => ({
  form: 'place',
  key,
  required,
  value,
  about,
});
export const packageWord = (about: string, required: boolean): WordSpec =>
  place('package', values.packageSource, about, required);
export const locationName = values.name('<location>', 'a backup location');
export const pointId = values.name('<point>', 'a restore point');
export const runWord = (about: string, required = false): WordSpec =>
  place('run', values.name('<run>', 'a run'), about, required);

/** Options of what talks to nodes, of what changes them, and of what looks at runs. */
export const NET: readonly OptionKey[] = ['cluster', 'config', 'nodes', 'json', 'yes', 'acceptNewHostKeys'];
export const CHANGE: readonly OptionKey[] = ['giveUp', 'dryRun', 'override', 'ask', 'confirm'];
export const RUN: readonly OptionKey[] = ['cluster', 'config', 'json', 'yes'];
