import { TASK_TYPE } from './definition';

/** What the editor tells of a task. */
export interface Told {
  readonly name: string;
  readonly definition: Readonly<Record<string, unknown>>;
}

/** An entry of tasks.json: foreign data. */
export type Entry = Readonly<Record<string, unknown>>;

/** Those of the entries that a task was made of: by its label; an entry without one is known by its definition only. */
export function entriesOf(all: unknown, { name, definition }: Told): Entry[] {
  const ours = (Array.isArray(all) ? all : []).filter(isRecord).filter((entry) => entry['type'] === TASK_TYPE);
  const named = ours.filter((entry) => entry['label'] === name);
  if (named.length > 0) return named;
  return ours.filter((entry) =>
    Object.entries(definition).every(
      ([key, value]) => key.startsWith('_') || JSON.stringify(entry[key]) === JSON.stringify(value),
    ),
  );
}

export function isRecord(value: unknown): value is Entry {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
