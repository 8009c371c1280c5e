import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { type IncomingMessage, type Server, type ServerResponse, createServer, request as forward } from 'node:http';
import { type AddressInfo, type Socket, connect } from 'node:net';
import { sleep } from '../../src/base/async';

/** How one path answers. Faults count over all its requests. */
export interface Answer {
  /** The content, or a file that holds it. Several: the first request gets the first, later ones the next, the last stays. */
  readonly body: Content | readonly Content[];
  /** Default `strong` (a hash of the content). */
  readonly etag?: 'strong' | 'weak' | 'none';
  /** HTTP date; default none. */
  readonly lastModified?: string;
  /** False: no `Range`, always 200. Default true. */
  readonly range?: boolean;
  /** Answers a range with another one than asked for. */
  readonly wrongRange?: boolean;
  /** False: chunked, without content-length. Default true. */
  readonly length?: boolean;
  /** The connection breaks after so many bytes of the body, so many times. */
  readonly cut?: { readonly after: number; readonly times: number };
  /** The body stops for `ms` after so many bytes, so many times; the connection stays open. */
  readonly stall?: { readonly after: number; readonly ms: number; readonly times: number };
  /** Bytes a second. */
  readonly rate?: number;
  /** `user:password` that the client must give. */
  readonly auth?: string;
  /** The first so many requests get this status instead. */
  readonly fail?: { readonly status: number; readonly times: number; readonly headers?: Record<string, string> };
  readonly headers?: Record<string, string>;
}

export type Content = Uint8Array | { readonly file: string };

export interface LoggedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  status: number;
  /** Bytes of the body that were handed to the connection. */
  sent: number;
}

const CHUNK = 64 * 1024;

/** A real HTTP server whose paths misbehave as told. */
export class HttpLab {
  readonly requests: LoggedRequest[] = [];
  readonly #server: Server;
  readonly #answers = new Map<string, { answer: Answer; asked: number; cuts: number; stalls: number }>();
  readonly #redirects = new Map<string, { to: string; status: number }>();
  readonly #host: string;

  private constructor(server: Server, host: string) {
    this.#server = server;
    this.#host = host;
  }

  /** @param host where to listen: loopback, or the address by which the nodes of a lab see this machine */
  static async start(host = '127.0.0.1'): Promise<HttpLab> {
    const server = createServer();
    const lab = new HttpLab(server, host);
    server.on('request', (request, response) => {
      lab.#handle(request, response).catch(() => response.destroy());
    });
    server.listen(0, host);
    await once(server, 'listening');
    return lab;
  }

  /** `http://host:port`, without a slash at the end. */
  get origin(): string {
    return `http://${this.#host}:${String((this.#server.address() as AddressInfo).port)}`;
  }

  /** Puts content at a path, replacing what was there; gives its URL. */
  serve(path: string, answer: Answer): string {
    this.#answers.set(path, { answer, asked: 0, cuts: 0, stalls: 0 });
    return `${this.origin}${path}`;
  }

  redirect(path: string, to: string, status = 302): string {
    this.#redirects.set(path, { to, status });
    return `${this.origin}${path}`;
  }

  /** What was asked of a path, oldest first. */
  asked(path: string): LoggedRequest[] {
    return this.requests.filter((each) => each.path === path);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').replace(/\?.*$/, '');
    const log: LoggedRequest = { method: request.method ?? '', path, headers: request.headers, status: 0, sent: 0 };
    this.requests.push(log);
    const end = (status: number, headers: Record<string, string> = {}): void => {
      log.status = status;
      response.writeHead(status, headers).end();
    };
    const redirect = this.#redirects.get(path);
    if (redirect !== undefined) {
      end(redirect.status, { location: redirect.to });
      return;
    }
    const state = this.#answers.get(path);
    if (state === undefined) {
      end(404);
      return;
    }
    const { answer } = state;
    if (answer.auth !== undefined && request.headers.authorization !== basic(answer.auth)) {
      end(401, { 'www-authenticate': 'Basic realm="lab"' });
      return;
    }
    const turn = state.asked++;
    if (answer.fail !== undefined && turn < answer.fail.times) {
      end(answer.fail.status, answer.fail.headers);
      return;
    }
    const content = await openContent(contentAt(answer.body, turn));
    try {
      const head = headOf(answer, content, request);
      log.status = head.status;
      response.writeHead(head.status, head.headers);
      if (request.method === 'HEAD' || head.status === 416) {
        response.end();
        return;
      }
      await this.#send(state, content, head, response, log);
    } finally {
      await content.close();
    }
  }

  async #send(
    state: { answer: Answer; cuts: number; stalls: number },
    content: OpenContent,
    { from, to }: Head,
    response: ServerResponse,
    log: LoggedRequest,
  ): Promise<void> {
    const { cut, stall, rate } = state.answer;
    const cutAt = cut !== undefined && state.cuts < cut.times ? cut.after : Infinity;
    let stallAt = stall !== undefined && state.stalls < stall.times ? stall.after : Infinity;
    while (from + log.sent < to && !response.destroyed) {
      if (log.sent >= cutAt) {
        state.cuts++;
        await flushed(response); // what was sent must arrive before the connection breaks
        response.destroy();
        return;
      }
      if (log.sent >= stallAt) {
        state.stalls++;
        stallAt = Infinity;
        await sleep(stall?.ms ?? 0);
        continue;
      }
      const chunk = rate === undefined ? CHUNK : Math.max(1, Math.round(rate / 20));
      const size = Math.min(chunk, to - from - log.sent, cutAt - log.sent, stallAt - log.sent);
      const bytes = await content.read(from + log.sent, size);
      log.sent += bytes.length;
      if (!response.write(bytes)) await drained(response);
      if (rate !== undefined) await sleep(50);
    }
    response.end();
  }
}

interface Head {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
}

/** RFC 9110: one range, and only when `If-Range` (if given) names what we have. */
function headOf(answer: Answer, content: OpenContent, request: IncomingMessage): Head {
  const headers: Record<string, string> = { 'content-type': 'application/octet-stream', ...answer.headers };
  const etag = answer.etag === 'none' ? undefined : `${answer.etag === 'weak' ? 'W/' : ''}"${content.hash}"`;
  if (etag !== undefined) headers['etag'] = etag;
  if (answer.lastModified !== undefined) headers['last-modified'] = answer.lastModified;
  if (answer.range !== false) headers['accept-ranges'] = 'bytes';
  const condition = request.headers['if-range'];
  const same =
    condition === undefined || (condition === etag && !etag.startsWith('W/')) || condition === answer.lastModified;
  const range = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? '');
  const { size } = content;
  let [from, to, status] = [0, size, 200];
  if (range !== null && answer.range !== false && same) {
    const [, first = '', last = ''] = range;
    from = first === '' ? Math.max(0, size - Number(last)) : Number(first);
    to = first === '' || last === '' ? size : Math.min(size, Number(last) + 1);
    if (from >= to) return { status: 416, headers: { 'content-range': `bytes */${String(size)}` }, from: 0, to: 0 };
    if (answer.wrongRange === true) from = Math.max(0, from - 1);
    status = 206;
    headers['content-range'] = `bytes ${String(from)}-${String(to - 1)}/${String(size)}`;
  }
  if (answer.length !== false) headers['content-length'] = String(to - from);
  return { status, headers, from, to };
}

function contentAt(body: Answer['body'], turn: number): Content {
  if (!Array.isArray(body)) return body as Content;
  const list = body as readonly Content[];
  const content = list[Math.min(turn, list.length - 1)];
  if (content === undefined) throw new Error('a served path needs content');
  return content;
}

interface OpenContent {
  readonly size: number;
  readonly hash: string;
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

async function openContent(content: Content): Promise<OpenContent> {
  if (content instanceof Uint8Array) {
    return {
      size: content.length,
      hash: createHash('sha256').update(content).digest('hex').slice(0, 16),
      read: async (offset, length) => content.subarray(offset, offset + length),
      close: async () => undefined,
    };
  }
  const handle = await open(content.file);
  const { size, mtimeMs, ino } = await handle.stat();
  return {
    size,
    hash: createHash('sha256')
      .update(`${String(size)} ${String(mtimeMs)} ${String(ino)}`)
      .digest('hex')
      .slice(0, 16),
    read: async (offset, length) => {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, offset);
      return buffer.subarray(0, bytesRead);
    },
    close: () => handle.close(),
  };
}

function basic(auth: string): string {
  return `Basic ${Buffer.from(auth).toString('base64')}`;
}

/** There is room again, or nobody listens any more. */
async function drained(response: ServerResponse): Promise<void> {
  if (response.destroyed) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}

async function flushed(response: ServerResponse): Promise<void> {
  await new Promise<void>((resolve) => {
    if (!response.write(Buffer.alloc(0), () => resolve())) response.once('close', resolve);
  });
  await sleep(20);
}

/** A forwarding proxy: absolute requests and CONNECT. */
export class ProxyLab {
  /** `GET http://…` or `CONNECT host:port`, as asked; also the refused ones. */
  readonly requests: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param auth `user:password` that clients must give */
  static async start(auth?: string): Promise<ProxyLab> {
    const server = createServer();
    const proxy = new ProxyLab(server);
    const allowed = (request: IncomingMessage): boolean =>
      auth === undefined || request.headers['proxy-authorization'] === basic(auth);

    server.on('request', (request, response) => {
      proxy.requests.push(`${request.method ?? ''} ${request.url ?? ''}`);
      if (!allowed(request)) {
        response.writeHead(407, { 'proxy-authenticate': 'Basic realm="lab"' }).end();
        return;
      }
      const headers = { ...request.headers };
      delete headers['proxy-authorization'];
      const onward = forward(request.url ?? '', { method: request.method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.on('error', () => response.destroy());
        answer.on('aborted', () => response.destroy());
        answer.pipe(response);
      });
      onward.on('error', () => response.destroy());
      request.pipe(onward);
    });
    server.on('connect', (request, socket, head) => {
      proxy.requests.push(`CONNECT ${request.url ?? ''}`);
      if (!allowed(request)) {
        socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="lab"\r\n\r\n');
        return;
      }
      const target = new URL(`http://${request.url ?? ''}`);
      const onward = connect(Number(target.port), target.hostname, () => {
        socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
        onward.write(head);
        onward.pipe(socket).pipe(onward);
      });
      proxy.#sockets.add(onward);
      onward.on('error', () => socket.destroy());
      onward.on('close', () => socket.destroy());
      socket.on('error', () => onward.destroy());
      socket.on('close', () => onward.destroy());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
