import { spawnSync } from 'node:child_process';
import { appendFile, chmod, chown, copyFile, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { succeed } from './tools';

export interface UserSpec {
  readonly name: string;
  readonly password?: string;
  /** Without it: no sudo. */
  readonly sudo?: 'nopasswd' | 'password';
  readonly shell?: string;
  /** False: the lab's key does not open this account. */
  readonly key?: boolean;
}

/** `full`: as this machine is. `dash`: /bin/sh is dash. `busybox`: sh and every applet that busybox has are busybox. */
export type Tools = 'full' | 'dash' | 'busybox';

export interface Userland {
  readonly host: string;
  readonly root: string;
  readonly users: readonly UserSpec[];
  readonly sshdConfig: readonly string[];
  readonly tools: Tools;
  /** Commands that the node does not have. */
  readonly without: readonly string[];
  readonly authorizedKeys: readonly string[];
  /** Lines of /etc/hosts. */
  readonly hosts: readonly string[];
}

/** Directories whose content on this machine is none of a node's business. */
const EMPTY = [
  'root',
  'home',
  'tmp',
  'run',
  'dev',
  'proc',
  'sys',
  'srv',
  'opt',
  'mnt',
  'var/log',
  'var/tmp',
  'var/lib/clusterlift',
];
const FIRST_UID = 2000;
const POWER = ['reboot', 'shutdown', 'poweroff', 'halt', 'systemctl'];

/**
 * Before the overlay is mounted: an opaque directory hides what lies below it without being a mount point.
 * This checkout is hidden, too, so that nothing works on a node only because it lies here.
 */
export async function hideHost(upper: string): Promise<void> {
  const paths = [...EMPTY, resolve(__dirname, '../..')].map((each) => join(upper, each));
  for (const path of paths) await mkdir(path, { recursive: true });
  await succeed('setfattr', ['-n', 'trusted.overlay.opaque', '-v', 'y', ...paths]);
}

/** Makes the mounted root a node of its own: accounts, keys, sshd, the chosen tools. */
export async function furnish(land: Userland): Promise<void> {
  const at = (path: string): string => join(land.root, path);
  for (const path of ['tmp', 'var/tmp']) await chmod(at(path), 0o1777);
  await chmod(at('root'), 0o700);
  await writeFile(at('etc/hostname'), `${land.host}\n`);
  await replace(at('etc/hosts'), ['127.0.0.1 localhost', ...land.hosts, ''].join('\n'));
  await replace(at('etc/resolv.conf'), '');
  await devices(at('dev'));
  await Promise.all([
    rm(at('var/lib/clusterlift'), { recursive: true, force: true }),
    ...['ed25519', 'ecdsa'].map((type) => hostKey(land.root, type)),
  ]);
  await writeFile(at('etc/ssh/sshd_lab_config'), sshdConfig(land.sshdConfig));
  await rm(at('etc/ssh/sshrc'), { force: true });
  await authorize(at('root'), 0, land.authorizedKeys);
  for (const [index, user] of land.users.entries()) await addUser(land, user, FIRST_UID + index);
  await chooseTools(land);
  for (const name of POWER) {
    for (const path of [`usr/sbin/${name}`, `usr/bin/${name}`]) await rm(at(path), { force: true });
    await copyFile(join(__dirname, 'power.sh'), at(`usr/sbin/${name}`));
    await chmod(at(`usr/sbin/${name}`), 0o755);
    await symlink(`/usr/sbin/${name}`, at(`usr/bin/${name}`));
  }
  for (const name of land.without) {
    for (const path of [`usr/sbin/${name}`, `usr/bin/${name}`]) await rm(at(path), { force: true });
  }
}

/** Fresh host keys, as after a reinstallation. */
export async function hostKey(root: string, type: string): Promise<void> {
  const file = join(root, 'etc/ssh', `ssh_host_${type}_key`);
  await Promise.all([rm(file, { force: true }), rm(`${file}.pub`, { force: true })]);
  await succeed('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', 'lab', '-f', file]);
}

/** The first value of a keyword counts for sshd, so a test's lines come first; what follows a `Match` must be last. */
function sshdConfig(extra: readonly string[]): string {
  const match = extra.findIndex((line) => /^\s*match\s/i.test(line));
  const cut = match < 0 ? extra.length : match;
  return [
    ...extra.slice(0, cut),
    'Port 22',
    'HostKey /etc/ssh/ssh_host_ed25519_key',
    'HostKey /etc/ssh/ssh_host_ecdsa_key',
    'PermitRootLogin prohibit-password',
    'PasswordAuthentication yes',
    'KbdInteractiveAuthentication no',
    'UsePAM no',
    'UseDNS no',
    'PrintMotd no',
    'PidFile /run/sshd.pid',
    'Subsystem sftp /usr/lib/openssh/sftp-server',
    ...extra.slice(cut),
    '',
  ].join('\n');
}

const hashes = new Map<string, string>();

/** crypt(3) SHA-512; hashed once per password and process. */
function passwordHash(password: string): string {
  let hash = hashes.get(password);
  if (hash === undefined) {
    hash = spawnSync('openssl', ['passwd', '-6', '-stdin'], { input: password, encoding: 'utf8' }).stdout.trim();
    hashes.set(password, hash);
  }
  return hash;
}

async function addUser(land: Userland, user: UserSpec, uid: number): Promise<void> {
  const at = (path: string): string => join(land.root, path);
  const shell = user.shell ?? '/bin/sh';
  // '*' rather than '!': without PAM, sshd takes an account with '!' for locked.
  const hash = user.password === undefined ? '*' : passwordHash(user.password);
  if (user.name === 'root') {
    await succeed('chroot', [land.root, 'usermod', '-p', hash, 'root']);
    return;
  }
  const id = String(uid);
  await appendFile(at('etc/passwd'), `${user.name}:x:${id}:${id}:${user.name}:/home/${user.name}:${shell}\n`);
  await appendFile(at('etc/shadow'), `${user.name}:${hash}:19000:0:99999:7:::\n`);
  await appendFile(at('etc/group'), `${user.name}:x:${id}:\n`);
  const home = at(`home/${user.name}`);
  await mkdir(home, { mode: 0o755 });
  await chown(home, uid, uid);
  if (user.key !== false) await authorize(home, uid, land.authorizedKeys);
  if (user.sudo !== undefined) {
    const file = at(`etc/sudoers.d/lab-${user.name}`);
    await writeFile(file, `${user.name} ALL=(ALL:ALL) ${user.sudo === 'nopasswd' ? 'NOPASSWD: ' : ''}ALL\n`);
    await chmod(file, 0o440);
  }
}

async function authorize(home: string, uid: number, keys: readonly string[]): Promise<void> {
  const dir = join(home, '.ssh');
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const file = join(dir, 'authorized_keys');
  await writeFile(file, keys.map((key) => `${key.trim()}\n`).join(''), { mode: 0o600 });
  for (const path of [dir, file]) await chown(path, uid, uid);
}

async function devices(dev: string): Promise<void> {
  const nodes = { null: '1 3', zero: '1 5', full: '1 7', random: '1 8', urandom: '1 9', tty: '5 0' };
  const lines = Object.entries(nodes).map(([name, numbers]) => `mknod -m 666 ${name} c ${numbers}`);
  await succeed('sh', ['-ec', `cd "$1"; mkdir -p pts shm; ${lines.join('; ')}`, 'sh', dev]);
  const links = { fd: '/proc/self/fd', stdin: 'fd/0', stdout: 'fd/1', stderr: 'fd/2', ptmx: 'pts/ptmx' };
  for (const [name, target] of Object.entries(links)) await symlink(target, join(dev, name));
}

async function chooseTools(land: Userland): Promise<void> {
  const at = (path: string): string => join(land.root, path);
  if (land.tools === 'full') return;
  if (land.tools === 'dash') return replaceLink(at('usr/bin/sh'), '/usr/bin/dash');
  const keep = new Set(['busybox', 'su', 'login', 'passwd', 'ip', ...POWER]);
  const applets = (await succeed('busybox', ['--list'])).split('\n').filter((name) => name !== '' && !keep.has(name));
  for (const name of applets) {
    const places = [`usr/bin/${name}`, `usr/sbin/${name}`].filter((path) => existsSync(at(path)));
    for (const path of places.length > 0 ? places : [`usr/bin/${name}`])
      await replaceLink(at(path), '/usr/bin/busybox');
  }
}

async function replaceLink(path: string, target: string): Promise<void> {
  await rm(path, { force: true });
  await symlink(target, path);
}

async function replace(path: string, content: string): Promise<void> {
  await rm(path, { force: true }); // it may be a link that leads out of the root
  await writeFile(path, content);
}
