import { isOurProperty, TASK_TYPE } from './definition';

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

/**
 * Does exactly this definition stand in a tasks.json? A label proves nothing: tasks that ran once keep theirs, and are
 * offered again with a definition that nobody wrote there.
 * @param all the `tasks` of one tasks.json: foreign data
 */
export function standsIn(all: unknown, definition: Entry): boolean {
  const wanted = propertiesOf(definition);
  return (Array.isArray(all) ? all : []).filter(isRecord).some((entry) => {
    const keys = Object.keys(entry).filter(isOurProperty);
    return propertiesOf(Object.fromEntries(keys.map((key) => [key, entry[key]]))) === wanted;
  });
}

/** The same text for two definitions that mean the same. What starts with `_` is the editor's; null is nothing there. */
export function propertiesOf(definition: Entry): string {
  const pairs = Object.entries(definition)
    .filter(([key, value]) => !key.startsWith('_') && value !== undefined && value !== null)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify(pairs);
}

export function isRecord(value: unknown): value is Entry {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
