import { strict as assert } from 'node:assert';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { installAcme } from '../../lab/acme';
import { type CliOptions, type CliResult } from '../../lab/cli';
import { type ClusterJson, Lab, type LabNode, type NodeSpec } from '../../lab/nodes';
import { installRestic, resticProgram } from '../../lab/restic';
import { run } from './scene';

/** A cluster `lab` of nodes with acme 1.0 and data worth keeping, and beside it the backup server `vault`. */
export interface BackupScene {
  readonly lab: Lab;
  /** Those of the cluster. */
  readonly nodes: readonly LabNode[];
  readonly vault: LabNode;
}

const RESTIC_PASSWORD = "a 'restic' secret 4711";
/** Where the server keeps what comes over sftp. */
export const VAULT = '/srv/backups';
export const LOCATIONS = ['localbackup', 'files', 'vault', 'restic'] as const;

export async function backupScene(
  specs: readonly NodeSpec[] = [{}, {}, {}],
  overrides: Partial<ClusterJson> = {},
): Promise<BackupScene> {
  const names = specs.map((spec, index) => spec.name ?? `n${String(index + 1)}`);
  const lab = await Lab.start({
    nodes: [...specs.map((spec, index) => ({ ...spec, name: names[index] ?? '' })), { name: 'vault' }],
  });
  const nodes = names.map((name) => lab.node(name));
  const vault = lab.node('vault');
  await appendFile(join(lab.home, '.ssh/config'), `Host ${vault.host}\n  IdentityFile ${lab.keyFile}\n`);
  const json = lab.clustersJson({
    nodes: nodes.map((node) => ({ name: node.name, host: node.host, identityFile: node.keyFile })),
    ...overrides,
  });
  json.backupLocations = {
    files: 'file:///var/backups/acme',
    vault: `sftp://root@${vault.host}${VAULT}`,
    restic: 'restic:/var/backups/restic',
  };
  await lab.writeClustersJson(json);
  await vault.must(`mkdir -p ${VAULT}`);
  await Promise.all(
    nodes.map(async (node) => {
      await installAcme(node, '1.0');
      await node.must(ODD_TREE);
      await node.must('mkdir -p /var/backups/acme');
      if (resticProgram() !== undefined) await installRestic(node);
    }),
  );
  return { lab, nodes, vault };
}

/** Small, and of every kind that a copy could get wrong. */
const ODD_TREE = `cd /opt/acme && mkdir -p 'a dir/empty' && echo x > 'a dir/ünï' && ln program hard && ln -s gone dangling &&
 echo -- > ./-dash && printf x > "$(printf 'new\\nline')" && chmod 4750 program && chown 12:34 program && touch -d '2020-01-02 03:04:05.678901234' program &&
 truncate -s 20M sparse && echo y >> sparse && setfattr -n user.note -v kept program && setfacl -m u:34:r program`;

/** Names, kinds, modes, owners, times, contents, links, attributes of all that a backup is to keep. */
async function census(node: LabNode, paths = '/etc/acme /opt/acme'): Promise<string> {
  return node.must(
    `for p in ${paths}; do find "$p" -printf '%p|%y|%m|%U:%G|%s|%T@|%l|%n\\n'; find "$p" -type f -exec sha256sum {} +; getfattr -R -d -m - --absolute-names "$p" 2>/dev/null; getfacl -R -n -p "$p" 2>/dev/null; done | sort`,
  );
}

export async function censusOf(nodes: readonly LabNode[]): Promise<string[]> {
  return Promise.all(nodes.map((node) => census(node)));
}

/** Environment for commands that need the password of the repository. */
export const withRestic: CliOptions = { env: { CLUSTERLIFT_RESTIC_PASSWORD: RESTIC_PASSWORD } };

/** The points of a location, oldest first, as `backup list` tells them. */
export async function pointsOf(
  { lab }: Pick<BackupScene, 'lab'>,
  location: string,
): Promise<readonly { readonly id: string; readonly state: string }[]> {
  const result = await run(lab, ['backup', 'list', location], 0, withRestic);
  return result.events.map((event) => {
    assert.ok(typeof event['id'] === 'string' && typeof event['state'] === 'string');
    return { id: event['id'], state: event['state'] };
  });
}

/** Makes what the location lacks (a restic repository). */
export async function readyLocation(scene: BackupScene, location: string): Promise<void> {
  if (location !== 'restic') return;
  for (const node of scene.nodes) {
    await node.must(
      `mkdir -p /var/backups && printf '%s' "$1" | RESTIC_PASSWORD_FILE=/dev/stdin restic init -q -r /var/backups/restic`.replace(
        '"$1"',
        `'${RESTIC_PASSWORD.replaceAll("'", "'\\''")}'`,
      ),
    );
  }
}

/** Makes a restore point; gives its id. */
export async function createPoint(scene: BackupScene, location: string): Promise<string> {
  await run(scene.lab, ['backup', 'create', location], 0, withRestic);
  const point = (await pointsOf(scene, location)).at(-1);
  assert.equal(point?.state, 'verified');
  return point.id;
}

export function codes(result: CliResult): string[] {
  return [...result.stderr.matchAll(/\(([a-z][a-z0-9-]+)\)/g)].map(([, code = '']) => code);
}
