import { homedir, platform } from 'node:os';
import { join } from 'node:path';

/** The user's own directories: XDG Base Directory Specification 0.8; `%APPDATA%`/`%LOCALAPPDATA%` on Windows. */
export type Env = Readonly<Record<string, string | undefined>>;

/** `runs/`, our known_hosts: what must outlive a restart but is not configuration. */
export function stateHome(env: Env = process.env): string {
  return join(
    absolute(env['XDG_STATE_HOME']) ?? windows(env, 'LOCALAPPDATA') ?? join(home(env), '.local', 'state'),
    'clusterlift',
  );
}

/** Downloaded packages: can be fetched again. */
export function cacheHome(env: Env = process.env): string {
  return join(
    absolute(env['XDG_CACHE_HOME']) ?? windows(env, 'LOCALAPPDATA') ?? join(home(env), '.cache'),
    'clusterlift',
  );
}

/** The user's home directory. */
export function home(env: Env = process.env): string {
  return env['HOME'] ?? env['USERPROFILE'] ?? homedir();
}

function windows(env: Env, name: string): string | undefined {
  return platform() === 'win32' ? env[name] : undefined;
}

// The specification says that relative values are to be ignored.
function absolute(path: string | undefined): string | undefined {
  return path && (path.startsWith('/') || /^[A-Za-z]:[\\/]/.test(path)) ? path : undefined;
}
