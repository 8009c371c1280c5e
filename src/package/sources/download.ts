import { sleep } from '../../base/async';
import { stopwatch } from '../../base/clock';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import { redactUrl, type Address } from './address';
import type { Body } from './body';
import { HttpClient, type HttpAnswer, type HttpOptions } from './http';
import { Meter, type Progress } from './meter';
import type { PartFile } from './part';
import { changedContent, failure, TransientError, downloadError } from './errors';
import { contentRange, isOther, isResumable, validatorsOf, type Validators } from './validators';

export interface DownloadOptions extends HttpOptions {
  /** Hex; anything else is thrown away with `digest-mismatch`. */
  readonly expectedSha256?: string | undefined;
  /** What was seen when the package was inspected; anything else is `download-changed`. */
  readonly expected?: Validators | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** Told before each new try. */
  readonly onRetry?: ((why: ClusterliftError, waitMs: number) => void) | undefined;
  /** Milliseconds without a single byte after which it is given up; default 5 min, 30 s when none ever came. */
  readonly giveUp?: number | undefined;
  /** Milliseconds before the first new try, doubled each time up to 15 s; default 500. */
  readonly firstWait?: number | undefined;
}

export interface Downloaded {
  readonly sha256: string;
  readonly size: number;
  readonly validators: Validators;
  readonly insecure: boolean;
  /** Bytes that an earlier session had brought. */
  readonly resumedAt: number;
}

const GIVE_UP = 5 * 60_000;
const GIVE_UP_AT_FIRST = 30_000;
const FIRST_WAIT = 500;
const LONGEST_WAIT = 15_000;
const MOST_RESTARTS = 5;
const NOTHING: Validators = { etag: undefined, lastModified: undefined, dateIsStrong: false, length: undefined };

/**
 * Downloads into a part file, over as many connections as it takes, and hashes on the way.
 * The caller finishes, closes or discards the part; after `download-changed` and `digest-mismatch` it is worth nothing.
 * @throws ClusterliftError `download-changed`, `digest-mismatch`, `disk-full`, those of `errors.ts`, or the signal's reason
 */
export async function download(address: Address, part: PartFile, options: DownloadOptions = {}): Promise<Downloaded> {
  const client = new HttpClient(options);
  try {
    return await new Download(address, part, options, client).run();
  } finally {
    await client.close();
  }
}

class Download {
  private readonly meter: Meter;
  private readonly resumedAt: number;
  private insecure = false;
  /** What this session saw first; other content from then on is a change, not a newer version. */
  private seen: Validators | undefined;
  private silence = stopwatch();
  private gotBytes = false;
  private restarts = 0;

  constructor(
    private readonly address: Address,
    private readonly part: PartFile,
    private readonly options: DownloadOptions,
    private readonly client: HttpClient,
  ) {
    this.meter = new Meter(options.onProgress);
    this.resumedAt = part.size;
    this.seen = options.expected;
  }

  async run(): Promise<Downloaded> {
    for (let tries = 0; ; tries++) {
      const before = this.part.size;
      try {
        await this.connect();
        return this.check();
      } catch (error) {
        if (!(error instanceof TransientError)) throw error;
        if (this.part.size > before) tries = 0;
        await this.waitAfter(error, tries);
      }
    }
  }

  /** One connection: asks for what is missing, and takes it. */
  private async connect(): Promise<void> {
    const answer = await this.client.get(this.address, this.conditions());
    try {
      this.insecure ||= answer.insecure;
      if (answer.status === 416 && this.isComplete(answer)) return;
      if (answer.status === 416) await this.startAgain(NOTHING);
      await this.begin(answer);
      await this.take(answer.body);
    } finally {
      answer.body.destroy();
    }
    const { length } = this.part.validators ?? {};
    if (length !== undefined && this.part.size < length)
      throw downloadError(new Error('the answer ended too early'), this.address.url);
    if (length !== undefined && this.part.size > length) throw changedContent(this.address.url);
  }

  /** RFC 9110: `If-Range` only with a strong etag; with an old date the answer is compared instead. */
  private conditions(): Record<string, string> {
    const known = this.part.validators;
    if (this.part.size === 0 || known === undefined || !isResumable(known)) return {};
    const range = { range: `bytes=${String(this.part.size)}-` };
    return known.etag === undefined ? range : { ...range, 'if-range': known.etag };
  }

  private isComplete(answer: HttpAnswer): boolean {
    const total = /^bytes \*\/(\d{1,15})$/.exec(answer.headers.get('content-range') ?? '')?.[1];
    return total !== undefined && Number(total) === this.part.size && this.part.validators?.length === this.part.size;
  }

  /** Decides whether the body goes on with the part or starts it again. */
  private async begin(answer: HttpAnswer): Promise<void> {
    const encoding = answer.headers.get('content-encoding');
    if (encoding !== null && encoding !== 'identity') throw this.refuse(`it comes compressed (${encoding})`);
    const now = validatorsOf(answer.status, answer.headers);
    if (this.seen !== undefined && isOther(this.seen, now)) throw changedContent(this.address.url);
    this.seen ??= now;
    if (answer.status === 206) {
      const range = contentRange(answer.headers);
      const known = this.part.validators;
      if (range?.from === this.part.size && known !== undefined && !isOther(known, now)) return;
      await this.startAgain(now);
    }
    if (answer.status !== 200) throw this.refuse(`the server answered with status ${String(answer.status)}`);
    // The server starts from the beginning: it cannot do otherwise, or what an earlier session left is out of date.
    if (this.gotBytes && ++this.restarts > MOST_RESTARTS)
      throw this.refuse('the connection breaks, and the server can only start from the beginning');
    await this.part.restart(now);
  }

  /** What an earlier session left does not fit what is there now. */
  private async startAgain(now: Validators): Promise<never> {
    await this.part.restart(now);
    throw new TransientError(changedContent(this.address.url).detail());
  }

  private async take(body: Body): Promise<void> {
    const total = this.part.validators?.length;
    try {
      for await (const bytes of body) {
        this.options.signal?.throwIfAborted();
        await this.part.append(bytes);
        this.silence = stopwatch();
        this.gotBytes = true;
        this.meter.at(this.part.size, total);
      }
    } catch (error) {
      this.options.signal?.throwIfAborted();
      throw downloadError(error, this.address.url);
    }
    this.meter.at(this.part.size, total, true);
  }

  private check(): Downloaded {
    const { validators, size } = this.part;
    const sha256 = this.part.digest();
    const expected = this.options.expectedSha256?.toLowerCase();
    if (expected !== undefined && expected !== sha256)
      throw digestMismatch(redactUrl(this.address.url), expected, sha256);
    if (validators === undefined) throw this.refuse('nothing came');
    return { sha256, size, validators, insecure: this.insecure, resumedAt: this.resumedAt };
  }

  private async waitAfter(error: TransientError, tries: number): Promise<void> {
    const giveUp = this.options.giveUp ?? (this.gotBytes ? GIVE_UP : GIVE_UP_AT_FIRST);
    const wait = Math.min(LONGEST_WAIT, (this.options.firstWait ?? FIRST_WAIT) * 2 ** tries);
    if (this.silence.ms + wait > giveUp) throw error;
    this.options.onRetry?.(error, wait);
    await sleep(wait, this.options.signal);
  }

  private refuse(why: string): ClusterliftError {
    return failure(
      'url-refused',
      `${redactUrl(this.address.url)} cannot be downloaded: ${why}`,
      'Check the address and the server.',
    );
  }
}

/** The bytes are not the ones that were asked for. */
function digestMismatch(what: string, expected: string, found: string): ClusterliftError {
  return new ClusterliftError({
    code: 'digest-mismatch',
    message: `The SHA-256 of ${what} is ${found}, not ${expected}`,
    hint: 'Check the digest with the publisher; if it is right, the file is broken or forged: get it again.',
    exit: ExitStatus.refused,
  });
}
