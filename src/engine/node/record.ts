import { z } from 'zod';
import { escapeText } from '../../package/unpack-plan';
import type { NodeConnection } from '../../ssh/connection';
import { epochArgument, type Fence } from '../../ssh/fence';
import { ask } from './ask';
import noting from './record-has.sh';
import text from './record.sh';

/**
 * installed/<product>/record.json: how the last upgrade of a product went on a node.
 * `begun` and `script-ok`/`failed` are written by the job itself, `done` only once version and health were proven.
 */
const recordSchema = z.object({
  state: z.enum(['begun', 'script-ok', 'failed', 'done']),
  /** Seconds since 1970, the node's clock. */
  time: z.number().int().nonnegative(),
  run: z.string().max(255),
  product: z.string().max(255),
  from: z.string().max(255).nullable(),
  to: z.string().max(255).nullable(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** What the node had when it was asked after a failure. */
  has: z.string().max(255).nullish(),
});
export type InstallRecord = z.infer<typeof recordSchema>;

/** The record at the start of an upgrade. A line a key: the job on the node changes two of them with sed. */
export function recordText(record: Omit<InstallRecord, 'state' | 'time' | 'has'>): string {
  const entries: [string, unknown][] = [['state', 'begun'], ['time', 0], ...Object.entries(record)];
  return `{\n${entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',\n')}\n}\n`;
}

/** Reads a record as a node has it; undefined when it makes no sense. */
export function parseRecord(text: string): InstallRecord | undefined {
  try {
    return recordSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/**
 * The version that a node has, as far as its record tells. Without a word on it, an upgrade that did not get through counts
 * for nothing.
 */
export function installedVersion(record: InstallRecord): string | undefined {
  const { state, from, to } = record;
  const sure = recordedVersion(record);
  return (sure === undefined ? (state === 'script-ok' ? to : from) : sure) ?? undefined;
}

/** The version that a record vouches for: proven, or asked after a failure. Null: nothing is installed; undefined: not known. */
export function recordedVersion({ state, to, has }: InstallRecord): string | null | undefined {
  return state === 'done' ? to : has;
}

export interface FinishedInstall {
  readonly stateDir: string;
  readonly fence: Fence;
  readonly product: string;
  readonly sha256: string;
  /** The JSON value of the manifest. */
  readonly manifest: unknown;
  /** Files of the package that are kept for status and provision, relative to its directory. */
  readonly files: readonly string[];
  /** Directory of the unpacked package. */
  readonly directory: string;
  /** The record as at the start (`recordText`), for a node that lost its own with the state directory. */
  readonly record?: string;
}

/** Writes that an upgrade ended well, and keeps manifest and scripts. May be repeated. @throws ClusterliftError `fenced`, `record-missing` */
export async function finishRecord(connection: NodeConnection, install: FinishedInstall): Promise<void> {
  const { stateDir, fence, product, sha256, directory } = install;
  const manifest = Buffer.from(JSON.stringify(install.manifest));
  const list = Buffer.from(install.files.map((path) => `${escapeText(path)}\n`).join(''));
  await ask(connection, {
    text,
    args: [
      stateDir,
      fence.run,
      epochArgument(fence),
      product,
      sha256,
      String(manifest.length),
      directory,
      String(manifest.length + list.length),
      install.record ?? '',
    ],
    stdin: Buffer.concat([manifest, list]),
  });
}

export interface NotedVersion {
  readonly stateDir: string;
  readonly fence: Fence;
  readonly product: string;
  /** Null: nothing is installed. */
  readonly has: string | null;
}

/** Writes into the record of a change that failed which version the node has now. May be repeated. @throws ClusterliftError `fenced` */
export async function noteVersion(
  connection: NodeConnection,
  { stateDir, fence, product, has }: NotedVersion,
): Promise<void> {
  const args = [stateDir, fence.run, epochArgument(fence), product, JSON.stringify(has)];
  await ask(connection, { text: noting, args });
}
