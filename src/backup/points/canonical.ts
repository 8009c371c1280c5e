import { createHash } from 'node:crypto';

/** The same value gives the same bytes, on every machine: keys sorted, no spaces, one newline at the end. */
export function canonicalJson(value: unknown): string {
  return `${JSON.stringify(sorted(value))}\n`;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  // Not assignment: a key such as `__proto__` stays a key.
  return Object.fromEntries(entries.map(([key, each]) => [key, sorted(each)]));
}

/** Lower-case hexadecimal. */
export function sha256Hex(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
