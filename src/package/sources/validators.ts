/** What tells whether the content of a URL is still the same (RFC 9110, section 8.8). */
export interface Validators {
  /** Only strong ones; a weak one allows other bytes. */
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  /** The date is old enough that two versions cannot share it. */
  readonly dateIsStrong: boolean;
  /** Bytes of the whole; undefined when the server does not say. */
  readonly length: number | undefined;
}

/** RFC 9110, 8.8.2.2: a server's clock tells seconds, and clocks differ. */
const DATE_MARGIN = 60_000;

export function validatorsOf(status: number, headers: Headers): Validators {
  const etag = headers.get('etag') ?? undefined;
  const lastModified = headers.get('last-modified') ?? undefined;
  const age = Date.parse(headers.get('date') ?? '') - Date.parse(lastModified ?? '');
  return {
    etag: etag?.startsWith('"') === true ? etag : undefined,
    lastModified,
    dateIsStrong: age >= DATE_MARGIN,
    length: status === 206 ? contentRange(headers)?.total : lengthOf(headers),
  };
}

/** Can the rest of this content be asked for later, and be known to belong to it? */
export function isResumable(known: Validators): boolean {
  return (
    known.etag !== undefined || (known.lastModified !== undefined && known.dateIsStrong && known.length !== undefined)
  );
}

/** Is this certainly other content? */
export function isOther(known: Validators, now: Validators): boolean {
  const differs = (a: unknown, b: unknown): boolean => a !== undefined && b !== undefined && a !== b;
  return (
    differs(known.etag, now.etag) || differs(known.lastModified, now.lastModified) || differs(known.length, now.length)
  );
}

export interface ContentRange {
  readonly from: number;
  /** Inclusive, as in the header. */
  readonly to: number;
  readonly total: number | undefined;
}

export function contentRange(headers: Headers): ContentRange | undefined {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(headers.get('content-range') ?? '');
  if (match === null) return undefined;
  const [, from, to, total] = match;
  return { from: Number(from), to: Number(to), total: total === '*' ? undefined : Number(total) };
}

function lengthOf(headers: Headers): number | undefined {
  const text = headers.get('content-length');
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
