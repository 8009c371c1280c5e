import * as z from 'zod';
import { parseSigner } from '../base/signers';
import { LOCATION_NAME, LOCATION_URI, NAME } from './names';

/**
 * The one schema of clusters.json (docs/clusters-json.md). From it come the types, what the loader accepts and the JSON Schema of the editor
 * (scripts/generate-schema.ts). What no schema can say (unknown names, circles, secrets) is in checks.ts.
 * Each rule carries its message as "must be …"; the loader puts the place in front.
 */

const NAME_RULE = 'must be a name of letters, digits, ".", "_" and "-" that starts with a letter or digit (at most 63)';
/** A host name, an alias of ~/.ssh/config, or an IP address; never something that ssh could read as an option. */
const HOST = /^(?:[A-Za-z0-9_][A-Za-z0-9._-]{0,254}|[0-9A-Fa-f:.]{2,45}(?:%[A-Za-z0-9._-]{1,32})?)$/;
/** `host`, `user@host`, `host:port`, `user@host:port`, or `none`. */
const JUMP = /^(?:[A-Za-z0-9_][A-Za-z0-9._\\-]{0,63}@)?[A-Za-z0-9_][A-Za-z0-9._-]{0,254}(?::\d{1,5})?$/;
const USER = /^[A-Za-z0-9_][A-Za-z0-9._@\\-]{0,63}\$?$/;
/** Absolute, without `.`, `..`, `//`, a slash at the end, or control characters. */
const ABSOLUTE = /^(?:\/(?!\.{1,2}(?:\/|$))[^/\u0000-\u001f\u007f]+)+$/; // eslint-disable-line no-control-regex -- they are what is refused
const HOME_OR_ABSOLUTE = /^(?:~|~\/[^\u0000-\u001f\u007f]+|\/[^\u0000-\u001f\u007f]*)$/; // eslint-disable-line no-control-regex -- as above
const NO_CONTROLS = /^[^\u0000-\u001f\u007f]+$/; // eslint-disable-line no-control-regex -- as above
const DURATION = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/;
const BATCH = /^(?:[1-9]\d{0,5}|(?:[1-9]\d?|100)%)$/;
const FAILURES = /^(?:\d{1,6}|(?:\d{1,2}|100)%)$/;
const PUBLIC_KEY = '(?:ssh-|ecdsa-|sk-)\\S+ +\\S+(?: [^\\r\\n]+)?';
const LIMIT = 'valid-(?:after|before)="?[0-9]{8}(?:[0-9]{4}(?:[0-9]{2})?)?Z?"?';
const SIGNER = new RegExp(`^(?:${LIMIT}(?:,${LIMIT})? +)?${PUBLIC_KEY}$`);
const REVOKED = new RegExp(`^(?:SHA256:[A-Za-z0-9+/]{43}|${PUBLIC_KEY})$`);
const text = (pattern: RegExp, error: string, description: string): z.ZodString =>
  z.string({ error }).regex(pattern, { error }).describe(description);

const listError = { error: 'must be a list' };
const objectError = { error: 'must be an object' };
const flag = (description: string): z.ZodBoolean => z.boolean({ error: 'must be true or false' }).describe(description);

const user = text(USER, 'must be a user name', 'Login user. Without it: what ~/.ssh/config says, else your own name.');
const become = z
  .enum(['none', 'sudo', 'doas'], { error: 'must be "none", "sudo" or "doas"' })
  .describe('How the login user becomes root. "none": it does not, or is root already.');
const jumpRule = 'must be a node of the cluster, an SSH host (user@host:port), or "none"';
const stateDir = text(
  ABSOLUTE,
  'must be an absolute path without "." or ".." and without a slash at the end',
  'Where Clusterlift keeps its state on a node. Default: /var/lib/clusterlift as root, else ~/.local/state/clusterlift.',
);
const role = text(NAME, NAME_RULE, 'A role.');

const node = z
  .strictObject(
    {
      name: text(NAME, NAME_RULE, 'Name of the node; unique in its cluster.'),
      host: text(
        HOST,
        'must be a host name or an IP address',
        'Host name, IP address or alias of ~/.ssh/config. Default: the name.',
      ).optional(),
      connection: z
        .enum(['ssh', 'local'], { error: 'must be "ssh" or "local"' })
        .describe('"local": this machine, without SSH. Default: ssh.')
        .optional(),
      port: z
        .int({ error: 'must be a port from 1 to 65535' })
        .min(1, { error: 'must be a port from 1 to 65535' })
        .max(65535, { error: 'must be a port from 1 to 65535' })
        .describe('SSH port. Without it: what ~/.ssh/config says, else 22.')
        .optional(),
      user: user.optional(),
      become: become.optional(),
      jump: text(
        JUMP,
        jumpRule,
        'Reach this node through that node or SSH host; "none": not through the jump of the cluster. Beats that jump.',
      ).optional(),
      identityFile: text(
        NO_CONTROLS,
        'must be the path of a private key',
        'Private key file; its passphrase is asked for, never written here.',
      ).optional(),
      roles: z
        .array(role, listError)
        .describe('Labels such as database, application, webproxy; a serial run goes by them.')
        .optional(),
      address: text(
        HOST,
        'must be a host name or an IP address',
        'How the other nodes reach this one. Default: the host.',
      ).optional(),
      stateDir: stateDir.optional(),
    },
    objectError,
  )
  .describe('One Linux machine.');

const batch = z
  .array(
    z.union([z.int().min(1), z.string().regex(BATCH)], {
      error: 'must be a number of nodes or a percentage from 1% to 100%',
    }),
    listError,
  )
  .min(1, { error: 'must have at least one entry' })
  .describe('Sizes of the batches, one after the other; the last one repeats: ["1", "25%", "100%"].');

const upgrade = z
  .strictObject(
    {
      mode: z
        .enum(['serial', 'fast'], { error: 'must be "serial" or "fast"' })
        .describe('"fast": all nodes at once (default). "serial": one after the other, by role.')
        .optional(),
      backup: text(
        NAME,
        'must be the name of a backup location, or "none"',
        'Location of the backup before each upgrade, or "none" (default): there is no way back.',
      ).optional(),
      backupMaxAge: text(
        DURATION,
        'must be a duration such as "15m" or "2h"',
        'A node whose part of the backup is older when its turn comes is backed up once more before it is stopped. Default: 15m.',
      ).optional(),
      batch: batch.optional(),
      maxFailures: z
        .union([z.int().min(0), z.string().regex(FAILURES)], {
          error: 'must be a number or a percentage such as "25%"',
        })
        .describe('Stop when more nodes than this have failed. A number, or a percentage (rounded down). Default: 0.')
        .optional(),
      onFailure: z
        .enum(['stop', 'continue', 'rollback'], { error: 'must be "stop", "continue" or "rollback"' })
        .describe('What happens when more nodes than allowed have failed. Default: stop. "rollback" needs a backup.')
        .optional(),
      health: z
        .strictObject(
          {
            stable: text(
              DURATION,
              'must be a duration such as "10s" or "1m30s"',
              'How long a node must stay healthy; "0s": one pass.',
            ).optional(),
          },
          objectError,
        )
        .describe('When a node counts as healthy.')
        .optional(),
      trustedSigners: z
        .array(
          text(
            SIGNER,
            'must be an SSH public key: "type base64 comment"; before it may stand valid-after=YYYYMMDD and valid-before=YYYYMMDD, with a comma between',
            'An SSH public key, as a line of allowed_signers without its principals.',
          ).refine((value) => parseSigner(value) !== undefined, {
            error: 'must be a key whose limits are days, the earlier one first',
          }),
          listError,
        )
        .describe(
          'SSH public keys whose signature on a package is accepted. With valid-after="20260101",valid-before="20270101" in front, a key counts only in between.',
        )
        .optional(),
      revokedSigners: z
        .array(
          text(
            REVOKED,
            'must be an SSH public key, or its fingerprint: SHA256:…',
            'An SSH public key, or its fingerprint.',
          ),
          listError,
        )
        .describe('Keys that count no more, also where they are trusted: a package signed by one is refused.')
        .optional(),
      requireSignature: flag('Refuse packages without a signature of a trusted signer. Default: false.').optional(),
    },
    objectError,
  )
  .describe('Defaults of the upgrade command; the command line beats them.');

const backup = z
  .strictObject(
    {
      paths: z
        .array(text(ABSOLUTE, 'must be an absolute path without "." or ".."', 'An absolute path.'), listError)
        .min(1, { error: 'must have at least one entry' })
        .describe('What a backup holds, on each node. Beats the paths of the package.'),
      exclude: z
        .array(text(NO_CONTROLS, 'must be a pattern', 'A pattern such as *.log.'), listError)
        .describe('Patterns that a backup leaves out.')
        .optional(),
    },
    objectError,
  )
  .describe('What a backup holds.');

const command = (description: string): z.ZodString =>
  z.string({ error: 'must be a command' }).min(1, { error: 'must be a command' }).describe(description);
const recipe = z
  .strictObject(
    {
      run: command('Command that upgrades a node, run in the unpacked image.'),
      version: command('Command that prints the installed version; nothing: not installed.'),
    },
    objectError,
  )
  .describe('How to upgrade from images that have no manifest (upgrade.json).');

const cluster = z
  .strictObject(
    {
      nodes: z
        .array(node, listError)
        .describe('The nodes. Their order is the order of a serial run where roles do not say otherwise.'),
      user: user.optional(),
      become: become.optional(),
      jump: text(JUMP, jumpRule, 'Reach the nodes through this node or SSH host.').optional(),
      primary: text(
        NAME,
        'must be the name of a node',
        'The node that cluster-level steps run on. Default: the first.',
      ).optional(),
      roleOrder: z
        .array(role, listError)
        .describe('Order of the roles in a serial run. Beats the one of the package; unlisted roles come last.')
        .optional(),
      packageDirs: z
        .array(
          text(HOME_OR_ABSOLUTE, 'must be "~", "~/…" or an absolute path', 'A directory on the primary.'),
          listError,
        )
        .min(1, { error: 'must have at least one entry' })
        .describe('Where packages lie on the primary. Default: ~ and ~/media.')
        .optional(),
      stateDir: stateDir.optional(),
      production: flag('A production cluster: its name is typed before anything changes. Default: false.').optional(),
      upgrade: upgrade.optional(),
      backup: backup.optional(),
      recipe: recipe.optional(),
    },
    objectError,
  )
  .describe('A named set of nodes.');

export const clustersSchema = z
  .strictObject(
    {
      $schema: z.string({ error: 'must be a text' }).describe('The JSON Schema of this file.').optional(),
      clusters: z
        .record(z.string().regex(NAME, { error: NAME_RULE }), cluster, objectError)
        .describe('Clusters by name.')
        .optional(),
      backupLocations: z
        .record(
          z.string().regex(LOCATION_NAME),
          text(
            LOCATION_URI,
            'must be file:///path, sftp://user@host[:port]/path or restic:repository',
            'file:///path (on each node), sftp://user@host[:port]/path, or restic:repository. Never with a password.',
          ),
          objectError,
        )
        .describe('Backup locations by name. "localbackup" (a directory on each node itself) is always there.')
        .optional(),
    },
    objectError,
  )
  .describe('Clusters of Clusterlift and the places for their backups.');

export type ClustersJson = z.output<typeof clustersSchema>;
export type ClusterJson = z.output<typeof cluster>;
export type NodeJson = z.output<typeof node>;

/** The JSON Schema (draft 7) for editors, with the two extensions by which VS Code accepts comments and trailing commas. */
export function clustersJsonSchema(): Record<string, unknown> {
  const schema: Record<string, unknown> = { ...z.toJSONSchema(clustersSchema, { target: 'draft-07', io: 'input' }) };
  const { $schema, ...rest } = schema;
  return { $schema, title: 'clusters.json', allowComments: true, allowTrailingCommas: true, ...rest };
}

/** The keys that an object at this place may have; undefined where any name goes, or where there is no object. */
export function knownKeys(path: readonly PropertyKey[]): string[] | undefined {
  let schema: unknown = clustersSchema;
  for (const segment of path) {
    schema = unwrapped(schema);
    if (schema instanceof z.ZodObject) schema = (schema.shape as Record<PropertyKey, unknown>)[segment];
    else if (schema instanceof z.ZodRecord) schema = schema.valueType;
    else if (schema instanceof z.ZodArray) schema = schema.element;
    else return undefined;
  }
  schema = unwrapped(schema);
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : undefined;
}

function unwrapped(schema: unknown): unknown {
  return schema instanceof z.ZodOptional ? schema.unwrap() : schema;
}
