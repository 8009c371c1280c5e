import { BlockList, isIP } from 'node:net';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import { redactUrl } from './address';

/** Which proxy to use for which target. */
export interface ProxySettings {
  /** For http URLs. */
  readonly http: string | undefined;
  /** For https URLs. */
  readonly https: string | undefined;
  /** Targets that are reached directly: `NO_PROXY`. */
  readonly direct: string | undefined;
}

type Env = Readonly<Record<string, string | undefined>>;

/** The settings that curl and others take from the environment; lower case first, as they do. */
export function proxyFromEnv(env: Env = process.env): ProxySettings {
  const get = (...names: string[]): string | undefined =>
    names.map((name) => env[name]).find((value) => value !== undefined && value !== '');
  const all = get('all_proxy', 'ALL_PROXY');
  return {
    http: get('http_proxy', 'HTTP_PROXY') ?? all,
    https: get('https_proxy', 'HTTPS_PROXY') ?? all,
    direct: get('no_proxy', 'NO_PROXY'),
  };
}

/**
 * The proxy for a target; undefined: none.
 * @throws ClusterliftError `proxy-invalid` (status 2)
 */
export function proxyFor(target: URL, settings: ProxySettings): URL | undefined {
  const text = target.protocol === 'https:' ? settings.https : settings.http;
  if (text === undefined || text === '' || isDirect(target, settings.direct ?? '')) return undefined;
  const full = /^[a-z0-9+]+:\/\//i.test(text) ? text : `http://${text}`;
  const proxy = URL.canParse(full) ? new URL(full) : undefined;
  if (proxy === undefined || !['http:', 'https:'].includes(proxy.protocol)) {
    throw new ClusterliftError({
      code: 'proxy-invalid',
      message: `${redactUrl(full)} cannot be used as a proxy`,
      hint: 'Set HTTP_PROXY or HTTPS_PROXY (or http.proxy) to http://HOST:PORT, or NO_PROXY for this host.',
      exit: ExitStatus.usage,
    });
  }
  return proxy;
}

/** NO_PROXY: names (with all below them), `*`, addresses, networks such as 10.0.0.0/8, each with an optional port. */
function isDirect(target: URL, list: string): boolean {
  const host = target.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const port = target.port !== '' ? target.port : target.protocol === 'https:' ? '443' : '80';
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((each) => each !== '')
    .some((each) => matches(each, host, port));
}

function matches(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true;
  if (entry.includes('/')) return inNetwork(entry, host);
  const [, name = entry, wanted] = /^(\[[^\]]+\]|[^:]+):(\d+)$/.exec(entry) ?? [];
  if (wanted !== undefined && wanted !== port) return false;
  const bare = name.replace(/^\*?\.|^\[|\]$/g, '');
  return host === bare || (isIP(host) === 0 && host.endsWith(`.${bare}`));
}

function inNetwork(entry: string, host: string): boolean {
  const [network = '', bits = ''] = entry.split('/');
  const family = isIP(network);
  if (family === 0 || isIP(host) !== family || !/^\d+$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128))
    return false;
  const list = new BlockList();
  list.addSubnet(network, Number(bits), family === 4 ? 'ipv4' : 'ipv6');
  return list.check(host, family === 4 ? 'ipv4' : 'ipv6');
}
