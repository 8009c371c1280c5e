import * as z from 'zod';
import { parseDuration, parseSize } from '../base/units';
import { parseRange } from './version';

/**
 * The schema of upgrade.json. Each rule carries its message as "must be …"; the reader puts the place in front.
 * Words that end up in file names, unit names or variables on the nodes are kept plain.
 */

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const VERSION = /^(?=.*\d)[0-9A-Za-z][0-9A-Za-z._+~-]{0,127}$/;
const WORD = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,62}$/;
/* eslint-disable no-control-regex -- control characters are what is refused */
/** Relative, without empty parts, `.` or `..`. */
const SCRIPT = /^(?!\/)(?:\/?(?!\.{1,2}(?:\/|$))[^/\u0000-\u001f\u007f]+)+$/;
/** Absolute, not the root, without empty parts, `.`, `..` or a slash at the end. */
const ABSOLUTE = /^(?:\/(?!\.{1,2}(?:\/|$))[^/\u0000-\u001f\u007f]+)+$/;
const PATTERN = /^[^\u0000-\u001f\u007f]{1,1000}$/;
/* eslint-enable no-control-regex */

const MOST = { list: 500, path: 1000 } as const;

const text = (pattern: RegExp, error: string): z.ZodString =>
  z.string({ error }).max(MOST.path, { error }).regex(pattern, { error });

const list = <T extends z.ZodType>(item: T): z.ZodArray<T> =>
  z.array(item, { error: 'must be a list' }).max(MOST.list, { error: `must have at most ${String(MOST.list)} items` });

const object = <T extends z.ZodRawShape>(shape: T): z.ZodObject<T, z.core.$strict> =>
  z.strictObject(shape, { error: (issue) => (issue.code === 'invalid_type' ? 'must be an object' : undefined) });

/** In milliseconds; bounded, so that timers can hold it. */
const DAY = 86_400_000;
const duration = (least: number): z.ZodType<string> =>
  z.string({ error: 'must be a duration such as "30s", "5m" or "1h30m"' }).refine(
    (value) => {
      const ms = parseDuration(value);
      return ms !== undefined && ms >= least && ms <= 7 * DAY;
    },
    { error: `must be a duration such as "30s", "5m" or "1h30m"${least > 0 ? ', not zero' : ''}, of at most 7 days` },
  );

const size = z
  .union([z.int().nonnegative(), z.string()], { error: 'must be a size such as "2GiB"' })
  .refine((value) => typeof value === 'number' || parseSize(value) !== undefined, {
    error: 'must be a size such as "2GiB"',
  });

const script = text(SCRIPT, 'must be the path of a file inside the image, such as "bin/upgrade"');
const flag = z.boolean({ error: 'must be true or false' });
const limit = duration(1).optional();

export const manifestSchema = object({
  schema: z.literal(1, { error: 'must be 1; a newer one needs a newer Clusterlift' }),
  product: text(
    NAME,
    'must be a name of letters, digits, ".", "_" and "-" that starts with a letter or digit (at most 63)',
  ),
  version: text(
    VERSION,
    'must be a version such as "24.2.0": digits, letters, ".", "-", "+", "_" and "~" (at most 128)',
  ),
  compatible: object({
    from: z
      .string({ error: 'must be a range such as ">=23.1 <25"' })
      .refine((value) => value.length <= MOST.path && parseRange(value) !== undefined, {
        error: 'must be a range such as ">=23.1 <25"',
      })
      .optional(),
    arch: list(text(WORD, 'must be an architecture as `uname -m` prints it, such as "x86_64"')).optional(),
    os: list(text(WORD, 'must be an ID of /etc/os-release, such as "debian"')).optional(),
  }).optional(),
  needs: object({
    disk: size.optional(),
    commands: list(text(WORD, 'must be the name of a command, such as "tar"')).optional(),
  }).optional(),
  roles: list(text(NAME, 'must be a role: letters, digits, ".", "_" and "-"')).optional(),
  scripts: object({
    version: script,
    upgrade: script,
    check: script.optional(),
    stop: script.optional(),
    start: script.optional(),
    provision: script.optional(),
    health: script.optional(),
    restore: script.optional(),
  }),
  provision: z
    .enum(['always', 'when-required', 'never'], { error: 'must be "always", "when-required" or "never"' })
    .optional(),
  idempotent: flag.optional(),
  timeouts: object({
    version: limit,
    check: limit,
    stop: limit,
    upgrade: limit,
    start: limit,
    reboot: limit,
    provision: limit,
    health: limit,
    restore: limit,
    backup: limit,
  }).optional(),
  health: object({ interval: duration(100).optional(), stable: duration(0).optional() }).optional(),
  quiet: flag.optional(),
  backup: object({
    paths: list(text(ABSOLUTE, 'must be an absolute path without "." or "..", and not "/"')).min(1, {
      error: 'must name at least one path',
    }),
    exclude: list(text(PATTERN, 'must be a pattern such as "*.tmp"')).optional(),
  }).optional(),
});

const command = z.string({ error: 'must be a shell command' }).min(1).max(MOST.path);

/** As kept in plans and on nodes: also what stands in for the scripts of an image without a manifest. */
export const keptSchema = manifestSchema.extend({ recipe: object({ run: command, version: command }).optional() });

export type ManifestJson = z.infer<typeof keptSchema>;
