import { z } from 'zod';
import type { RunEvent } from './events';
import { STEPS } from './plan';

/**
 * What a journal line must look like. A journal may come back from a node, so its lines are checked like any foreign data;
 * a line of a type that a later version added is kept, and shown as far as it is understood.
 */
const text = z.string().max(20_000);
const count = z.number().nonnegative();
const node = z.string().min(1).max(255);
const scalar = z.union([z.string().max(1_000_000), z.number(), z.boolean()]);
const data = z.record(z.string().max(100), z.union([scalar, z.array(text).max(10_000)]));
const error = z.object({
  code: text,
  message: text,
  hint: text,
  log: z.array(text).max(1000).optional(),
  status: z.number().int().min(0).max(255).optional(),
});
const key = {
  node,
  step: z.enum(STEPS),
  lane: z.enum(['main', 'rollback', 'fresh']),
  attempt: z.number().int().min(1).max(1000),
};
const outcome = z.enum([
  'upgraded',
  'restored',
  'provisioned',
  'backed-up',
  'unchanged',
  'failed',
  'wrong-version',
  'unknown',
  'not-started',
  'rolled-back',
  'overtaken',
]);
const owner = { host: text, pid: count, epoch: count };

const SCHEMAS: Readonly<Record<RunEvent['type'], z.ZodType>> = {
  'run.started': z.object({ ...owner, run: text, action: text, cluster: text, plan: text }),
  'run.resumed': z.object(owner),
  'run.adopted': z.object({
    ...owner,
    by: text,
    configFile: text,
    unasked: z.array(node).max(10_000),
    places: z.record(node, text),
  }),
  phase: z.object({ phase: text }),
  'step.started': z.object({ ...key, data: data.optional() }),
  'step.finished': z.discriminatedUnion('result', [
    z.object({ ...key, ms: count, result: z.literal('done'), data: data.optional() }),
    z.object({ ...key, ms: count, result: z.literal('failed'), error }),
    z.object({ ...key, ms: count, result: z.literal('unknown'), error }),
  ]),
  'step.overdue': z.object({ ...key, afterMs: count }),
  request: z.object({ node, kind: z.enum(['provision', 'reboot', 'message']), text: text.optional() }),
  'node.finished': z.object({
    node,
    outcome,
    from: text.optional(),
    to: text.optional(),
    has: text.nullish(),
    error: error.optional(),
  }),
  'node.moved': z.object({ node, place: text, by: text }),
  'node.reinstalled': z.object({ node, by: text }),
  'node.left-out': z.object({ node, by: text }),
  override: z.object({ code: text, by: text }),
  decision: z.object({ ...key, choice: z.enum(['retry', 'done', 'failed']), by: text }),
  'stop.requested': z.object({ by: text }),
  'budget.exceeded': z.object({ failed: count, unknown: count, allowed: count, batch: count.optional() }),
  warning: z.object({ node: node.optional(), code: text, message: text }),
  point: z.object({
    id: text,
    location: text,
    state: text,
    sha256: text.optional(),
    node: node.optional(),
    undo: z.boolean().optional(),
  }),
  committed: z.object({}),
  'run.finished': z.object({
    outcome: z.enum([
      'succeeded',
      'failed',
      'rolled-back',
      'stopped',
      'unknown',
      'interrupted',
      'refused',
      'overtaken',
    ]),
    status: z.number().int(),
    nodes: z.record(
      z.string().max(255),
      z.object({
        outcome,
        from: text.nullish(),
        to: text.nullish(),
        version: text.nullish(),
        application: z.enum(['started', 'stopped', 'start-failed', 'unknown']).optional(),
        files: z.enum(['untouched', 'changed', 'point', 'mixed']).optional(),
      }),
    ),
  }),
  'run.abandoned': z.object({ reason: text, by: text }),
};

/** @returns what is wrong with a line, in words; undefined: nothing */
export function entryProblem(value: { readonly type: string }): string | undefined {
  const schema = Object.hasOwn(SCHEMAS, value.type) ? SCHEMAS[value.type as RunEvent['type']] : undefined;
  const result = schema?.safeParse(value);
  if (!result || result.success) return undefined;
  const issue = result.error.issues[0];
  return `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`;
}
