import { Agent, ProxyAgent, request, type Dispatcher } from 'undici';
import { isHttp, type Address } from './address';
import { Body } from './body';
import { proxyFor, proxyFromEnv, type ProxySettings } from './proxy';
import { refusedStatus, tooManyRedirects, downloadError } from './errors';

export interface HttpOptions {
  /** Default: the environment's. */
  readonly proxy?: ProxySettings | undefined;
  /** Milliseconds without a byte after which a request counts as dead; default 30 s. */
  readonly idleTimeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** It must be read or destroyed. */
  readonly body: Body;
  /** After redirects. */
  readonly url: URL;
  /** A hop was plain http: the data could have been changed on the way. */
  readonly insecure: boolean;
}

const IDLE = 30_000;
const CONNECT = 15_000;
const MOST_REDIRECTS = 10;
const REDIRECTS = [301, 302, 303, 307, 308];

/**
 * Asks for packages by HTTP. Redirects are followed here and not by the library, because a secret is for the origin
 * that it was given for: it is never sent to another one.
 */
export class HttpClient {
  private readonly agents = new Map<string, Dispatcher>();
  private readonly proxy: ProxySettings;
  private readonly idle: number;
  private readonly signal: AbortSignal | undefined;

  constructor(options: HttpOptions = {}) {
    this.proxy = options.proxy ?? proxyFromEnv();
    this.idle = options.idleTimeout ?? IDLE;
    this.signal = options.signal;
  }

  /**
   * @returns any answer that is not a redirect and not a refusal (statuses 2xx, 304, 416)
   * @throws ClusterliftError of `errors.ts`, or the signal's reason
   */
  async get(address: Address, headers: Record<string, string> = {}): Promise<HttpAnswer> {
    let url = address.url;
    let insecure = url.protocol === 'http:';
    for (let hops = 0; hops <= MOST_REDIRECTS; hops++) {
      const answer = await this.once(url, address, headers);
      const location = REDIRECTS.includes(answer.status) ? answer.headers.get('location') : null;
      if (location === null) return { ...accepted(answer, url), url, insecure };
      answer.body.destroy();
      url = this.follow(location, url, address);
      insecure ||= url.protocol === 'http:';
    }
    throw tooManyRedirects(address.url);
  }

  async close(): Promise<void> {
    await Promise.all([...this.agents.values()].map((agent) => agent.destroy()));
  }

  private follow(location: string, from: URL, address: Address): URL {
    const url = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
    if (url === undefined || !isHttp(url)) throw refusedStatus(address.url, 302);
    url.username = '';
    url.password = '';
    return url;
  }

  private async once(url: URL, address: Address, headers: Record<string, string>): Promise<RawAnswer> {
    const mine = url.origin === address.url.origin && address.auth !== undefined;
    const authorization = mine ? { authorization: `Basic ${Buffer.from(address.auth).toString('base64')}` } : {};
    try {
      const answer = await request(url, {
        dispatcher: this.agentFor(url),
        headers: {
          'user-agent': 'clusterlift',
          'accept-encoding': 'identity',
          accept: '*/*',
          ...headers,
          ...authorization,
        },
        headersTimeout: this.idle,
        bodyTimeout: this.idle,
        ...(this.signal && { signal: this.signal }),
      });
      return { status: answer.statusCode, headers: headersOf(answer.headers), body: new Body(answer.body) };
    } catch (error) {
      this.signal?.throwIfAborted();
      throw downloadError(error, url);
    }
  }

  private agentFor(url: URL): Dispatcher {
    const proxy = proxyFor(url, this.proxy);
    const key = proxy?.href ?? '';
    const known = this.agents.get(key);
    if (known !== undefined) return known;
    const connect = { timeout: CONNECT };
    // Plain http goes through a proxy as an ordinary request: many allow CONNECT only to port 443.
    const made =
      proxy === undefined
        ? new Agent({ connect })
        : new ProxyAgent({
            uri: proxy.href,
            proxyTunnel: url.protocol === 'https:',
            proxyTls: connect,
            requestTls: connect,
          });
    this.agents.set(key, made);
    return made;
  }
}

interface RawAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
}

function accepted(answer: RawAnswer, url: URL): RawAnswer {
  const fine = (answer.status >= 200 && answer.status < 300) || answer.status === 304 || answer.status === 416;
  if (fine) return answer;
  answer.body.destroy();
  throw refusedStatus(url, answer.status);
}

function headersOf(raw: Record<string, string | string[] | undefined>): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(raw)) if (value !== undefined) headers.set(name, String(value));
  return headers;
}
