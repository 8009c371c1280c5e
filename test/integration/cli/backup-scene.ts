import { strict as assert } from 'node:assert';
import { appendFile, cp, mkdir, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { installAcme } from '../../lab/acme';
import type { PointRow } from '../../../src/terminal/backup';
import type { CliOptions, CliResult } from '../../lab/cli';
import { type ClusterJson, Lab, type LabNode, type NodeSpec } from '../../lab/nodes';
import { installRestic, resticProgram } from '../../lab/restic';
import { run } from './scene';

/** A cluster `lab` of nodes with acme 1.0 and data worth keeping, and beside it the backup server `vault`. */
export interface BackupScene {
  readonly lab: Lab;
  /** Those of the cluster. */
  readonly nodes: readonly LabNode[];
  readonly vault: LabNode;
  /** Writes clusters.json anew, with another cluster `lab`. */
  edit(change: (cluster: ClusterJson) => void): Promise<void>;
}

const RESTIC_PASSWORD = "a 'restic' secret 4711";
/** Where the server keeps what comes over sftp. */
export const VAULT = '/srv/backups';
export const LOCATIONS = ['localbackup', 'files', 'vault', 'restic'] as const;

export async function backupScene(
  specs: readonly NodeSpec[] = [{}, {}, {}],
  overrides: Partial<ClusterJson> = {},
  more: { readonly server?: NodeSpec; readonly locations?: (vault: LabNode) => Readonly<Record<string, string>> } = {},
): Promise<BackupScene> {
  const names = specs.map((spec, index) => spec.name ?? `n${String(index + 1)}`);
  const lab = await Lab.start({
    nodes: [...specs.map((spec, index) => ({ ...spec, name: names[index] ?? '' })), { ...more.server, name: 'vault' }],
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
    ...more.locations?.(vault),
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
  const edit: BackupScene['edit'] = async (change) => {
    if (json.clusters['lab']) change(json.clusters['lab']);
    await lab.writeClustersJson(json);
  };
  return { lab, nodes, vault, edit };
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
  options: CliOptions = withRestic,
): Promise<readonly PointRow[]> {
  const result = await run(lab, ['backup', 'list', location], 0, options);
  const rows = result.events as unknown as readonly PointRow[];
  for (const { id, state } of rows) assert.ok(typeof id === 'string' && typeof state === 'string');
  assert.deepEqual(
    rows.map(({ id }) => id),
    rows.map(({ id }) => id).sort(),
  );
  return rows;
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

/** Codes of errors and checks that a person was told. */
export function codes(result: CliResult): string[] {
  return [...result.stderr.matchAll(/\[([a-z][a-z0-9-]+)\]/g)].map(([, code = '']) => code);
}

/** Another machine of the same person: clusters.json, keys and known hosts, and nothing of what the first one keeps of its runs. */
export async function elsewhere(
  { lab }: Pick<BackupScene, 'lab'>,
  env: NodeJS.ProcessEnv = withRestic.env ?? {},
): Promise<CliOptions> {
  const home = await mkdtemp(join(lab.dir, 'elsewhere-'));
  for (const dir of ['.ssh', '.config']) await cp(join(lab.home, dir), join(home, dir), { recursive: true });
  const at = (path: string): string => join(home, path);
  await Promise.all(['.run', 'tmp'].map((dir) => mkdir(at(dir), { mode: 0o700 })));
  return {
    cwd: home,
    env: {
      HOME: home,
      XDG_CONFIG_HOME: at('.config'),
      XDG_STATE_HOME: at('.local/state'),
      XDG_CACHE_HOME: at('.cache'),
      XDG_DATA_HOME: at('.local/share'),
      XDG_RUNTIME_DIR: at('.run'),
      TMPDIR: at('tmp'),
      ...env,
    },
  };
}

/** No run holds any of these nodes. */
export async function assertUnlocked(nodes: readonly LabNode[]): Promise<void> {
  for (const node of nodes) {
    const last = 'cd /var/lib/clusterlift/lock 2>/dev/null || exit 0; ls -d e* | sort -V | tail -n 1';
    const claim = (await node.must(last)).trim();
    if (claim !== '')
      assert.ok(await node.exists(`/var/lib/clusterlift/lock/${claim}/released`), `${node.name} is locked`);
  }
}
