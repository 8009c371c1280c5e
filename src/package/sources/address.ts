import { createHash } from 'node:crypto';
import { ClusterliftError, ExitStatus } from '../../base/errors';

/** Where a package is fetched from, with its secret kept apart. */
export interface Address {
  /** Without user and password. It may still hold a secret in its query: show `redactUrl`. */
  readonly url: URL;
  /** `user:password` for Basic, for the origin of `url` only. */
  readonly auth: string | undefined;
}

/** Is this text meant as a URL of a package? */
export function isPackageUrl(text: string): boolean {
  return /^https?:\/\//i.test(text);
}

/**
 * Takes a URL apart.
 * @param auth `user:password` from elsewhere; beats what is in the URL
 * @throws ClusterliftError `url-invalid` (status 2)
 */
export function parseAddress(text: string, auth?: string): Address {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !isHttp(url) || url.hostname === '') {
    throw new ClusterliftError({
      code: 'url-invalid',
      message: `${redactUrl(text)} is not a web address`,
      hint: 'Give an address that begins with http:// or https://.',
      exit: ExitStatus.usage,
    });
  }
  const own =
    url.username === '' && url.password === '' ? undefined : `${decoded(url.username)}:${decoded(url.password)}`;
  url.username = '';
  url.password = '';
  url.hash = '';
  return { url, auth: auth ?? own };
}

export function isHttp(url: URL): boolean {
  return url.protocol === 'http:' || url.protocol === 'https:';
}

/** A URL for people, logs and plans: without user, password, query and fragment. */
export function redactUrl(text: string | URL): string {
  const url = URL.canParse(String(text)) ? new URL(text) : undefined;
  if (url !== undefined && url.host !== '') return `${url.protocol}//${url.host}${url.pathname}`;
  // Not a URL; take out what could be a secret in one.
  return String(text)
    .replace(/[?#].*$/s, '')
    .replace(/^([a-z]+:)?\/*[^/]*@/is, '$1//');
}

/** The name of the file at the end of a URL; empty when there is none. */
export function nameOfUrl(url: string | URL): string {
  const last = new URL(url).pathname.split('/').at(-1) ?? '';
  return decoded(last);
}

/** A name for a URL that keeps its query (which may be a secret) to itself. */
export function urlKey(url: URL): string {
  return createHash('sha256').update(url.href).digest('hex').slice(0, 32);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
