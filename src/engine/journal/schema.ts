import { z } from 'zod';
import { POINT_ID } from '../../backup/points/point';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import { NAME } from '../../cluster/names';
import { STEPS, type Plan } from './plan';

/**
 * Plans and journals also come back from nodes and from other versions, so they are checked like any other foreign data.
 * The types live in plan.ts.
 */

const text = z.string().max(20_000);
const name = z.string().regex(NAME);
const optional = <T extends z.ZodType>(type: T): z.ZodOptional<T> => type.optional();

const model = z.object({
  name,
  connection: z.enum(['ssh', 'local']),
  host: text,
  port: optional(z.number().int().min(1).max(65535)),
  user: optional(text),
  identityFile: optional(text),
  become: z.enum(['none', 'sudo', 'doas']),
  jump: optional(text),
  roles: z.array(text).max(100),
  address: text,
  stateDir: optional(text),
});

const step = z.enum(STEPS);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const paths = z.array(text).max(1000);

const seen = z.object({
  changed: text,
  records: z.record(z.string().min(1).max(255), text),
  version: optional(text.nullable()),
});

const backup = z.object({
  reason: z.enum(['manual', 'upgrade', 'restore']),
  before: optional(z.string().regex(POINT_ID)),
  paths,
  exclude: paths,
  quiet: z.boolean(),
  nodes: z.record(
    name,
    z.object({
      leaveOut: z.array(text).max(2000),
      bytes: z.number().nonnegative(),
      own: optional(z.object({ paths, exclude: paths, quiet: z.boolean() })),
    }),
  ),
});

const planSchema = z.object({
  schema: z.literal(1),
  run: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,200}$/),
  created: text,
  action: z.enum(['upgrade', 'provision', 'backup', 'restore']),
  cluster: name,
  configFile: text,
  production: z.boolean(),
  primary: name,
  members: optional(z.array(z.object({ name, address: text })).max(10_000)),
  nodes: z
    .array(
      z.object({
        name,
        model,
        stateDir: z.string().startsWith('/').max(4096),
        from: optional(text),
        to: optional(text),
        action: z.enum(['change', 'skip']),
        requests: z.array(z.enum(['provision', 'reboot'])).max(2),
        steps: z.array(step).max(100),
        seen: optional(seen),
        installed: optional(z.object({ product: text, version: text, sha256, manifest: z.unknown() })),
      }),
    )
    .max(10_000),
  batches: z.array(z.array(name).max(10_000)).max(10_000),
  batch: optional(z.array(text).max(10_000)),
  package: optional(
    z.object({
      product: text,
      version: text,
      sha256,
      size: z.number().int().nonnegative(),
      source: z.discriminatedUnion('kind', [
        z.object({ kind: z.literal('file'), path: text }),
        z.object({ kind: z.literal('node'), node: name, path: text }),
        z.object({ kind: z.literal('url'), url: text, on: optional(z.object({ node: name, path: text })) }),
      ]),
      manifest: z.unknown(),
      signedBy: optional(text),
      word: optional(z.object({ node: name, user: optional(text) })),
      chosen: optional(z.boolean()),
      kept: optional(z.array(text).max(10_000)),
    }),
  ),
  options: z.object({
    mode: z.enum(['serial', 'fast']),
    backup: text,
    maxFailures: text,
    onFailure: z.enum(['stop', 'continue', 'rollback']),
    giveUp: z.number().positive(),
    healthStable: optional(z.number().nonnegative()),
    limitRate: optional(z.number().positive()),
    backupMaxAge: optional(z.number().nonnegative()),
    distribution: z.enum(['auto', 'direct', 'relay']),
    provisionMode: z.enum(['serial', 'fast']),
  }),
  checks: z
    .array(
      z.object({
        code: text,
        level: z.enum(['block', 'warn']),
        node: optional(text),
        path: optional(text),
        message: text,
        fix: text,
        overridden: z.boolean(),
      }),
    )
    .max(100_000),
  overrides: z.array(text).max(1000),
  command: text,
  point: optional(
    z.object({
      location: text,
      uri: text,
      id: z.string().regex(POINT_ID),
      sha256: optional(text),
      trusted: optional(z.boolean()),
      foreign: optional(z.array(name).max(10_000)),
    }),
  ),
  backup: optional(backup),
  undo: optional(z.object({ id: z.string().regex(POINT_ID), backup })),
});

/**
 * Reads the text of a plan.json.
 * @param where named in errors
 * @throws ClusterliftError `plan-invalid`, `plan-newer`
 */
export function parsePlan(source: string, where: string): Plan {
  let value: unknown;
  try {
    value = JSON.parse(source);
  } catch (cause) {
    throw invalid(where, 'it is not JSON', cause);
  }
  const version = typeof value === 'object' && value !== null ? (value as { schema?: unknown }).schema : undefined;
  if (typeof version === 'number' && version > 1) {
    throw new ClusterliftError({
      code: 'plan-newer',
      message: `The plan ${where} was written by a newer Clusterlift`,
      hint: 'Use that version to go on with this run.',
      exit: ExitStatus.usage,
    });
  }
  const result = planSchema.safeParse(value);
  if (!result.success) {
    const first = result.error.issues[0];
    throw invalid(where, `${first?.path.join('.') ?? ''}: ${first?.message ?? ''}`, result.error);
  }
  // JSON has no `undefined`: a missing key and an undefined one are the same here.
  return result.data as Plan;
}

function invalid(where: string, why: string, cause: unknown): ClusterliftError {
  return new ClusterliftError({
    code: 'plan-invalid',
    message: `The plan ${where} cannot be used: ${why}`,
    hint: 'The run cannot be gone on with. Look at the nodes with `clusterlift status`, and start a new upgrade.',
    exit: ExitStatus.unknown,
    cause,
  });
}
