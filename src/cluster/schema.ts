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

const user = text(
  USER,
  'must be a user name',
  'Login user. Default: the user from ~/.ssh/config, or else your own name.',
);
const become = z
  .enum(['none', 'sudo', 'doas'], { error: 'must be "none", "sudo" or "doas"' })
  .describe('How the login user becomes root. "none": it does not become root, or is root already.');
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
      name: text(NAME, NAME_RULE, 'Name of the node. It must be unique in the cluster.'),
      host: text(
        HOST,
        'must be a host name or an IP address',
        'Host name, IP address or alias from ~/.ssh/config. Default: the name.',
      ).optional(),
      connection: z
        .enum(['ssh', 'local'], { error: 'must be "ssh" or "local"' })
        .describe('"local": this machine, without SSH. Default: ssh.')
        .optional(),
      port: z
        .int({ error: 'must be a port from 1 to 65535' })
        .min(1, { error: 'must be a port from 1 to 65535' })
        .max(65535, { error: 'must be a port from 1 to 65535' })
        .describe('SSH port. Default: the port from ~/.ssh/config, or else 22.')
        .optional(),
      user: user.optional(),
      become: become.optional(),
      jump: text(
        JUMP,
        jumpRule,
        'Reach this node through that node or SSH host. Overrides the jump host of the cluster. "none": no jump host.',
      ).optional(),
      identityFile: text(
        NO_CONTROLS,
        'must be the path of a private key',
        'Private key file. You are asked for its passphrase. Do not write it here.',
      ).optional(),
      roles: z
        .array(role, listError)
        .describe('Labels such as database, application or webproxy. They define the order of a serial run.')
        .optional(),
      address: text(
        HOST,
        'must be a host name or an IP address',
        'Address at which the other nodes reach this node. Default: the host.',
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
  .describe('Batch sizes, in order, such as ["1", "25%", "100%"]. The last size repeats.');

const upgrade = z
  .strictObject(
    {
      mode: z
        .enum(['serial', 'fast'], { error: 'must be "serial" or "fast"' })
        .describe('"fast": all nodes at once (default). "serial": one node after the other, in role order.')
        .optional(),
      backup: text(
        NAME,
        'must be the name of a backup location, or "none"',
        'Location of the backup before each upgrade, or "none" (default): you will not be able to roll back.',
      ).optional(),
      backupMaxAge: text(
        DURATION,
        'must be a duration such as "15m" or "2h"',
        'Maximum age of the backup of a node when the node is stopped. An older backup is made again first. Default: 15m.',
      ).optional(),
      batch: batch.optional(),
      maxFailures: z
        .union([z.int().min(0), z.string().regex(FAILURES)], {
          error: 'must be a number or a percentage such as "25%"',
        })
        .describe(
          'Stop starting nodes once more than this many have failed: a number or a percentage (rounded down). Default: 0.',
        )
        .optional(),
      onFailure: z
        .enum(['stop', 'continue', 'rollback'], { error: 'must be "stop", "continue" or "rollback"' })
        .describe('What to do when more nodes than allowed have failed. Default: stop. "rollback" needs a backup.')
        .optional(),
      health: z
        .strictObject(
          {
            stable: text(
              DURATION,
              'must be a duration such as "10s" or "1m30s"',
              'How long a node must stay healthy. "0s": it is checked once.',
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
          'SSH public keys of trusted package signers. Write valid-after="20260101",valid-before="20270101" in front of a key to limit when it is valid.',
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
        .describe('Revoked keys. A package signed by one is refused, even if the key is also trusted.')
        .optional(),
      requireSignature: flag('Refuse packages without a signature of a trusted signer. Default: false.').optional(),
    },
    objectError,
  )
  .describe('Defaults of the upgrade command. Options on the command line override them.');

const backup = z
  .strictObject(
    {
      paths: z
        .array(text(ABSOLUTE, 'must be an absolute path without "." or ".."', 'An absolute path.'), listError)
        .min(1, { error: 'must have at least one entry' })
        .describe('Paths to back up on each node. Overrides the paths of the package.'),
      exclude: z
        .array(text(NO_CONTROLS, 'must be a pattern', 'A pattern such as *.log.'), listError)
        .describe('Patterns of files to exclude from backups.')
        .optional(),
    },
    objectError,
  )
  .describe('What to back up.');

const command = (description: string): z.ZodString =>
  z.string({ error: 'must be a command' }).min(1, { error: 'must be a command' }).describe(description);
const recipe = z
  .strictObject(
    {
      run: command('Command that upgrades a node, run in the unpacked image.'),
      version: command('Command that prints the installed version. If it prints nothing, nothing is installed.'),
    },
    objectError,
  )
  .describe('How to upgrade from images that have no manifest (upgrade.json).');

const cluster = z
  .strictObject(
    {
      nodes: z
        .array(node, listError)
        .describe('The nodes. A serial run follows this order unless roles define another one.'),
      user: user.optional(),
      become: become.optional(),
      jump: text(JUMP, jumpRule, 'Reach the nodes through this node or SSH host.').optional(),
      primary: text(
        NAME,
        'must be the name of a node',
        'The node on which cluster-level steps run. Default: the first node.',
      ).optional(),
      roleOrder: z
        .array(role, listError)
        .describe('Order of the roles in a serial run. Overrides the order of the package. Unlisted roles come last.')
        .optional(),
      packageDirs: z
        .array(
          text(HOME_OR_ABSOLUTE, 'must be "~", "~/…" or an absolute path', 'A directory on the primary.'),
          listError,
        )
        .min(1, { error: 'must have at least one entry' })
        .describe('Package directories on the primary. Default: ~ and ~/media.')
        .optional(),
      stateDir: stateDir.optional(),
      production: flag(
        'A production cluster: you must type its name before anything changes. Default: false.',
      ).optional(),
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
            'file:///path (on each node), sftp://user@host[:port]/path, or restic:repository. Do not include a password.',
          ),
          objectError,
        )
        .describe('Backup locations by name. "localbackup" (a directory on each node) is always available.')
        .optional(),
    },
    objectError,
  )
  .describe('The clusters and backup locations of Clusterlift.');

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
