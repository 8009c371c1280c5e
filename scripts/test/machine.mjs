// What this machine has, what it lacks, and getting the latter where that can be done.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'clusterlift-dev');
/** Backups need `restore <id>:<path>` and `--delete`. */
const RESTIC = '0.17';

/** @returns {{ name: string, probe: string }[]} */
function wanted() {
  return readFileSync(new URL('../apt-packages.txt', import.meta.url), 'utf8')
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim().split(/\s+/))
    .flatMap(([name, probe]) => (name && probe ? [{ name, probe }] : []));
}

const has = (probe) => spawnSync('sh', ['-c', 'command -v "$1"', 'sh', probe]).status === 0;
const isDebian = () => existsSync('/etc/debian_version') && has('apt-get');
const isRoot = () => process.getuid?.() === 0;

function apt(args, extra = {}) {
  return spawnSync('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=300', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    timeout: 15 * 60_000,
    // RUNLEVEL=1: a package must not start its service on this machine.
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
    ...extra,
  });
}

/**
 * Installs what is missing as far as this machine allows.
 * @returns {{ lacks: string[], env: Record<string, string> }} what stays missing, with the reason; variables for the tests
 */
export function prepareMachine(log) {
  const missing = wanted().filter(({ probe }) => !has(probe));
  const lacks = [];
  if (missing.length > 0 && isRoot() && isDebian()) {
    const names = missing.map(({ name }) => name);
    log(`Installing with apt: ${names.join(', ')} …`);
    apt(['update']);
    const { status, stderr } = apt(['install', '-y', '--no-install-recommends', ...names]);
    if (status !== 0) log(`apt-get install failed:\n${stderr.trim()}`);
  }
  const why = !isDebian() ? 'not a Debian' : !isRoot() ? 'not root, so not installed' : 'apt could not install it';
  for (const { name, probe } of missing) if (!has(probe)) lacks.push(`${name} (${why})`);
  if (!isRoot()) lacks.push('real nodes with sshd (they need root)');

  const env = {};
  const restic = findRestic() ?? (isRoot() && isDebian() ? fetchRestic(log) : undefined);
  if (restic === undefined)
    lacks.push(`restic ${RESTIC} or newer (${isDebian() && isRoot() ? 'apt could not fetch it' : why})`);
  else env.RESTIC = restic;
  return { lacks, env };
}

function recentEnough(restic) {
  const { stdout } = spawnSync(restic, ['version'], { encoding: 'utf8' });
  const [, major, minor] = /restic (\d+)\.(\d+)/.exec(stdout ?? '') ?? [];
  return Number(major) > 0 || Number(minor) >= Number(RESTIC.split('.')[1]);
}

function findRestic() {
  const { stdout } = spawnSync('sh', ['-c', 'command -v restic'], { encoding: 'utf8' });
  return [stdout.trim(), join(CACHE, 'restic/usr/bin/restic')].find((each) => each !== '' && recentEnough(each));
}

/** Debian 12's restic is too old: the one of the next release, unpacked into the cache; the system's lists stay as they are. */
function fetchRestic(log) {
  const debian = mirror();
  if (debian === undefined) {
    log('restic could not be fetched: apt knows no mirror of Debian (is `apt-get update` needed?)');
    return undefined;
  }
  log('Fetching restic from Debian trixie …');
  const dir = join(CACHE, `restic.part-${process.pid}`);
  mkdirSync(join(dir, 'lists/partial'), { recursive: true });
  const source = join(dir, 'trixie.list');
  writeFileSync(source, `deb ${debian} trixie main\n`);
  const own = [
    '-o',
    `Dir::Etc::sourcelist=${source}`,
    '-o',
    'Dir::Etc::sourceparts=-',
    '-o',
    `Dir::State::Lists=${dir}/lists`,
  ];
  // The unprivileged user that apt downloads as may not enter the cache of root.
  own.push('-o', 'APT::Sandbox::User=root', '-o', `Dir::Cache::pkgcache=`, '-o', `Dir::Cache::srcpkgcache=`);
  apt([...own, 'update']);
  const { stderr } = apt([...own, 'download', 'restic'], { cwd: dir });
  const deb = readdirSync(dir).find((name) => name.endsWith('.deb'));
  const final = join(CACHE, 'restic');
  if (deb !== undefined && spawnSync('dpkg', ['-x', join(dir, deb), join(dir, 'root')]).status === 0) {
    rmSync(final, { recursive: true, force: true });
    renameSync(join(dir, 'root'), final);
  } else {
    log(`restic could not be fetched:\n${stderr.trim()}`);
  }
  rmSync(dir, { recursive: true, force: true });
  const binary = join(final, 'usr/bin/restic');
  return existsSync(binary) && recentEnough(binary) ? binary : undefined;
}

/** Where this machine gets Debian from; undefined: apt has no lists yet. */
function mirror() {
  const { stdout } = spawnSync(
    'apt-get',
    ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages', 'Origin: Debian'],
    {
      encoding: 'utf8',
    },
  );
  return stdout.split('\n').find((uri) => /\/debian\/?$/.test(uri));
}
