/** Which paths may be backed up and swapped back (docs/backups.md, "refused at plan time"). Pure. */
import type { ErrorCode, ReadCode } from '../base/catalogue';

/** A finding of the checks, in the shape that the engine's report takes. */
export interface Finding {
  readonly code: ReadCode;
  readonly level: 'block' | 'warn';
  readonly node: string | undefined;
  readonly path: string | undefined;
  readonly message: string;
  readonly fix: string;
}

/** What must be known of a node to judge paths on it. */
export interface PathFacts {
  readonly node: string;
  readonly stateDir: string;
  /** Home of the login user. */
  readonly home: string;
  /** Mount points. */
  readonly mounts: readonly string[];
  /** The directory of the location when it lies on the node. */
  readonly location: string | undefined;
  /**
   * Each path with the links in its parent directories followed; the last part stays as it is. The state directory and
   * the location with all their links followed: they are where their files are.
   */
  readonly real: Readonly<Record<string, string>>;
  /** Why a restore of a path could be led elsewhere, by path; those where it cannot are not in it. */
  readonly unsafe: Readonly<Record<string, string>>;
}

// eslint-disable-next-line no-control-regex -- they are what is refused
const CONTROLS = /[\u0000-\u001f\u007f]/;

/** Never replaced as a whole: the system, or everybody's data. What lies below may be, unless it is listed as well. */
const SYSTEM = new Set(
  (
    '/ /bin /boot /dev /etc /home /lib /lib32 /lib64 /libx32 /lost+found /media /mnt /opt /proc /root /run /sbin /srv /sys /tmp /usr /var ' +
    '/etc/init.d /etc/systemd /etc/systemd/system /etc/default /etc/cron.d /etc/apt /etc/yum.repos.d /etc/network /etc/sysconfig /etc/security /etc/ssl ' +
    '/usr/bin /usr/sbin /usr/lib /usr/lib64 /usr/libexec /usr/local /usr/local/bin /usr/local/sbin /usr/share /usr/include ' +
    '/usr/lib/systemd /usr/lib/systemd/system /lib/systemd /lib/systemd/system /lib/modules ' +
    '/var/lib /var/log /var/cache /var/spool /var/tmp /var/run /var/lock /var/mail /var/opt /var/backups /var/lib/dpkg /var/lib/rpm /var/lib/systemd'
  ).split(' '),
);
/** Nothing in there is kept on a disk, or may be touched at all. */
const FORBIDDEN_TREES = ['/dev', '/proc', '/sys', '/run', '/var/run'];
/** What a login needs: a bad swap of these locks everybody out. */
const LOGIN = [
  '/etc/ssh',
  '/usr/sbin/sshd',
  '/etc/passwd',
  '/etc/shadow',
  '/etc/group',
  '/etc/gshadow',
  '/etc/sudoers',
  '/etc/sudoers.d',
  '/etc/doas.conf',
  '/etc/pam.d',
  '/etc/nsswitch.conf',
  '/root/.ssh',
];

/**
 * Judges the paths of a backup or of a restore on one node. In a backup, a location inside the paths is only left out
 * (`locationExcludes`) and warned about; in a restore it is a block, because the swap would move it away.
 */
export function checkPaths(paths: readonly string[], facts: PathFacts, purpose: 'backup' | 'restore'): Finding[] {
  if (paths.length === 0)
    return [finding(facts, undefined, 'path-none', 'there is nothing to back up: no paths are named')];
  const findings = paths.flatMap((path) => {
    const problem = shapeProblem(path);
    return problem === undefined
      ? checkPath(path, facts, purpose)
      : [finding(facts, path, problem.code, problem.message)];
  });
  return [...findings, ...nestedPaths(paths, facts)];
}

/** What is wrong with the path itself, on whatever node. */
export function shapeProblem(path: string): { readonly code: ErrorCode; readonly message: string } | undefined {
  if (CONTROLS.test(path)) return { code: 'path-control', message: 'it contains control characters' };
  if (!path.startsWith('/')) return { code: 'path-relative', message: 'it is not absolute' };
  const parts = path.split('/').slice(1);
  if (parts.some((part) => part === '..' || part === '.'))
    return { code: 'path-dots', message: 'it contains "." or ".."' };
  if (path !== '/' && parts.includes(''))
    return { code: 'path-slashes', message: 'it has an empty part or ends with "/"' };
  if (Buffer.byteLength(path) > 4000) return { code: 'path-long', message: 'it is too long' };
  return undefined;
}

function checkPath(path: string, facts: PathFacts, purpose: 'backup' | 'restore'): Finding[] {
  // The name as written and the place it leads to must both be harmless.
  const names = namesOf(path, facts);
  for (const place of names) {
    const problem = placeProblem(place, facts);
    if (problem) return [finding(facts, path, problem.code, told(problem.message, path, place))];
  }
  const unsafe = facts.unsafe[path];
  if (unsafe !== undefined) return [unsafeFinding(facts, path, unsafe)];
  const { location } = facts;
  if (location === undefined) return [];
  const near = namesOf(location, facts).filter((place) => names.some((name) => related(name, place)));
  if (near.length === 0) return [];
  const inside = near.every((place) => names.some((name) => isBelow(place, name)) && !names.includes(place));
  const fix = 'Use a location outside of the paths: clusterlift backup add <name> <uri>';
  if (inside && purpose === 'backup') {
    const message = `the backup location ${location} lies inside; it is left out, and a restore of this path will be refused`;
    return [{ ...finding(facts, path, 'location-inside', message), level: 'warn', fix }];
  }
  const message = `the backup location ${location} lies at, above or below it`;
  return [{ ...finding(facts, path, 'path-location', message), fix }];
}

/** A path as it is written and as it is on the disk. */
function namesOf(path: string, facts: Pick<PathFacts, 'real'>): string[] {
  return [...new Set([path, facts.real[path] ?? path])];
}

function placeProblem(path: string, facts: PathFacts): { code: ErrorCode; message: string } | undefined {
  if (SYSTEM.has(path)) return { code: 'path-system', message: 'it is a directory of the system' };
  if (FORBIDDEN_TREES.some((tree) => isAtOrBelow(path, tree)))
    return { code: 'path-system', message: 'it is not kept on a disk' };
  if (isAtOrBelow(facts.home, path))
    return { code: 'path-home', message: `the home directory ${facts.home} of the login user lies in it` };
  const login = [...LOGIN, `${facts.home}/.ssh`].find((each) => related(path, each));
  if (login !== undefined) return { code: 'path-sshd', message: `${login} is needed to log in` };
  if (namesOf(facts.stateDir, facts).some((state) => related(path, state))) {
    return { code: 'path-state', message: `the state directory ${facts.stateDir} lies at, above or below it` };
  }
  const mount = facts.mounts.find((each) => isAtOrBelow(each, path));
  if (mount !== undefined) {
    const message = mount === path ? 'it is a mount point' : `${mount} is mounted inside`;
    return { code: 'path-mount', message };
  }
  return undefined;
}

function nestedPaths(paths: readonly string[], facts: PathFacts): Finding[] {
  const findings: Finding[] = [];
  paths.forEach((path, index) => {
    const real = facts.real[path] ?? path;
    const outer = paths.find((other, at) => {
      if (at === index) return false;
      const otherReal = facts.real[other] ?? other;
      const inside = isAtOrBelow(path, other) || isAtOrBelow(real, otherReal);
      const same = path === other || real === otherReal;
      return inside && (!same || at < index);
    });
    if (outer !== undefined)
      findings.push(finding(facts, path, 'path-nested', `it lies at or below ${outer}, which is backed up as well`));
  });
  return findings;
}

/**
 * What a backup must leave out of its paths, as absolute names: the location and the state directory when they lie inside.
 */
export function locationExcludes(
  paths: readonly string[],
  facts: Pick<PathFacts, 'location' | 'stateDir' | 'real'>,
): string[] {
  const places = [facts.location, facts.stateDir]
    .filter((each) => each !== undefined)
    .flatMap((each) => namesOf(each, facts));
  const excludes = paths.flatMap((path) =>
    namesOf(path, facts).flatMap((name) =>
      places.filter((place) => isBelow(place, name)).map((place) => path + place.slice(name.length)),
    ),
  );
  return [...new Set(excludes)];
}

/** Is `path` the directory itself or something in it? Both absolute and normal. */
export function isAtOrBelow(path: string, directory: string): boolean {
  return path === directory || isBelow(path, directory);
}

function isBelow(path: string, directory: string): boolean {
  return path !== directory && path.startsWith(directory === '/' ? '/' : `${directory}/`);
}

function related(a: string, b: string): boolean {
  return isAtOrBelow(a, b) || isAtOrBelow(b, a);
}

function unsafeFinding(facts: PathFacts, path: string, why: string): Finding {
  const fix =
    'Name the directory that the link leads to in "backup.paths", or give the directory that holds the link to root (`chown root`, `chmod go-w`).';
  return { ...finding(facts, path, 'path-unsafe', `a restore could be led elsewhere: ${why}`), fix };
}

function told(message: string, path: string, place: string): string {
  return place === path ? message : `it leads to ${place}: ${message}`;
}

function finding(facts: PathFacts, path: string | undefined, code: ErrorCode, message: string): Finding {
  const shown = path === undefined ? '' : `${JSON.stringify(path)} cannot be backed up or restored: `;
  return {
    code,
    level: 'block',
    node: facts.node,
    path,
    message: `${shown}${message}`,
    fix: 'Name the directories of the application itself in "backup.paths" of clusters.json or of the package.',
  };
}
