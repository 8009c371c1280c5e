import { randomBytes } from 'node:crypto';
import { basename, dirname } from 'node:path/posix';
import { sleep } from '../../base/async';
import { after, stopwatch, type Timer } from '../../base/clock';
import { ClusterliftError, ExitStatus, hasCode } from '../../base/errors';
import { redactUrl, urlKey, type Address } from '../../package/sources/address';
import { changedContent, failure, refusedStatus, tooManyRedirects } from '../../package/sources/errors';
import type { NodeConnection } from '../../ssh/connection';
import { broken } from '../../ssh/exec/script';
import { ask, execute } from './ask';
import { linkLost } from '../../ssh/errors';
import text from './fetch.sh';

/** A download by a node itself (`--fetch primary`). */
export interface NodeFetch {
  readonly address: Address;
  /** The digest of the whole is known, so whatever is pieced together is compared with it. */
  readonly pinned: boolean;
  /** A place of its own, that no later download continues: for a query. */
  readonly aside: boolean;
  readonly signal: AbortSignal;
  /** `total` is undefined as long as nobody said how much there is. */
  readonly onProgress?: (bytes: number, total: number | undefined) => void;
}

export interface FetchedOnNode {
  readonly path: string;
  /** Some hop was plain http. */
  readonly insecure: boolean;
}

/** The longest that one download may take; milliseconds. */
const LONGEST = 12 * 3_600_000;
/** A node that says nothing for so long is as good as gone: it tells how the download goes three times a second. */
const SILENCE = 90_000;
/** A link may be away for so long before we give up; what has arrived is kept. */
const MAX_AWAY = 10 * 60_000;

/**
 * Has a node download a URL as the login user. Secrets go through stdin; nothing is left of them there.
 * A lost link ends the download, and a new one goes on where it was.
 * @throws ClusterliftError `fetch-tools`, `stage-space`, and as for a download from here
 */
export async function fetchOnNode(connection: NodeConnection, request: NodeFetch): Promise<FetchedOnNode> {
  const token = randomBytes(8).toString('hex');
  let moved = stopwatch();
  const onProgress = (bytes: number, total: number | undefined): void => {
    moved = stopwatch();
    request.onProgress?.(bytes, total);
  };
  for (let wait = 500; ; wait = Math.min(2 * wait, 5000)) {
    try {
      return await attempt(connection, { ...request, onProgress }, token);
    } catch (error) {
      request.signal.throwIfAborted();
      const away = hasCode(error, 'link-lost') || hasCode(error, 'host-unreachable');
      if (!away || moved.ms > MAX_AWAY) throw error;
      await sleep(wait, request.signal);
    }
  }
}

/** Removes what a node downloaded. */
export async function dropFetched(connection: NodeConnection, path: string, signal?: AbortSignal): Promise<void> {
  const args = ['drop', basename(dirname(path))];
  await ask(connection, { text, args, as: 'login', ...(signal && { signal }) });
}

async function attempt(connection: NodeConnection, request: NodeFetch, token: string): Promise<FetchedOnNode> {
  const { address, pinned, aside, signal } = request;
  const { node } = connection;
  const key = aside ? `${urlKey(address.url)}${token}` : urlKey(address.url);
  const told = new Told(request.onProgress);
  const silence = new Silence(node);
  try {
    await execute(connection, {
      text,
      args: ['get', key, token, pinned ? 'yes' : 'no'],
      as: 'login',
      stdin: secretLines(address),
      timeout: LONGEST,
      signal: AbortSignal.any([signal, silence.signal]),
      onStdout: (chunk) => {
        silence.broken();
        told.take(chunk);
      },
    });
  } finally {
    silence.end();
  }
  const { path, end } = told;
  if (path === undefined || end === undefined) throw broken(node, 'the end of a download is missing');
  if (end.kind !== 'whole') throw fetchError(node, address, end.kind, end.status);
  return { path, insecure: end.insecure };
}

/** What fetch.sh reads from stdin. In a normal URL nothing but a backslash could mean something to curl. */
function secretLines({ url, auth }: Address): string {
  const plain = url.href.replaceAll('\\', '%5C');
  let [quoted, whole] = ['', plain];
  if (auth !== undefined) {
    // Without a colon curl would ask for a password.
    const [, user = auth, password = ''] = /^([^:]*):([^]*)$/.exec(auth) ?? [];
    quoted = `${user}:${password}`.replaceAll(/["\\]/g, '\\$&');
    const withAuth = new URL(plain);
    withAuth.username = encodeURIComponent(user);
    withAuth.password = encodeURIComponent(password);
    whole = withAuth.href;
  }
  const lines = [plain, quoted, whole];
  if (lines.some((each) => /[\r\n\0]/.test(each))) {
    throw failure(
      'url-auth',
      `The credentials for ${redactUrl(url)} contain a line break`,
      'Set CLUSTERLIFT_URL_AUTH to user:password.',
    );
  }
  return `${lines.join('\n')}\n`;
}

/** Reads the lines of fetch.sh as they come. */
class Told {
  path: string | undefined;
  end: { readonly kind: string; readonly status: number; readonly insecure: boolean } | undefined;
  private rest = '';

  constructor(private readonly onProgress: NodeFetch['onProgress']) {}

  take(chunk: Buffer): void {
    const lines = (this.rest + chunk.toString('utf8')).split('\n');
    this.rest = (lines.pop() ?? '').slice(0, 8192);
    for (const line of lines) this.line(line);
  }

  private line(line: string): void {
    const at = /^at (\d{1,15}) (\d{1,15})$/.exec(line);
    if (at) this.onProgress?.(Number(at[1]), Number(at[2]) || undefined);
    const end = /^end ([a-z]+) (\d{1,3}) (yes|no)$/.exec(line);
    if (end) this.end = { kind: end[1] ?? '', status: Number(end[2]), insecure: end[3] === 'yes' };
    if (line.startsWith('path /')) this.path = line.slice(5);
  }
}

/** Notices when the node says nothing for too long. */
class Silence {
  private readonly abort = new AbortController();
  private readonly timer: Timer;

  constructor(node: string) {
    this.timer = after(SILENCE, () => {
      this.abort.abort(linkLost(node, 'a download', new Error('it says nothing')));
    });
  }

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  broken(): void {
    this.timer.restart();
  }

  end(): void {
    this.timer.cancel();
  }
}

function fetchError(node: string, { url }: Address, kind: string, status: number): ClusterliftError {
  const where = redactUrl(url);
  switch (kind) {
    case 'server':
      return refusedStatus(url, status).on(node);
    case 'redirects':
      return tooManyRedirects(url).on(node);
    case 'changed':
      return changedContent(url).on(node);
    case 'host':
      return failure(
        'url-host-unknown',
        `${node} knows no host ${url.hostname}`,
        'Check the address, and the name servers and the proxy of that node.',
      ).on(node);
    case 'tls':
      return failure(
        'url-certificate',
        `${node} cannot trust the certificate of ${url.host}`,
        'Check the address, or add the private authority to the trusted ones of that node.',
      ).on(node);
    case 'space':
      return new ClusterliftError({
        code: 'stage-space',
        message: `${node} has no room for ${where} in ~/.cache/clusterlift/incoming`,
        hint: 'Make room there, or leave --fetch primary out.',
        exit: ExitStatus.refused,
        node,
      });
    default:
      return failure(
        'url-unavailable',
        `${node} cannot fetch ${where}${status === 0 ? '' : ` (last status ${String(status)})`}`,
        'Try again; what has arrived so far is kept there.',
      ).on(node);
  }
}
