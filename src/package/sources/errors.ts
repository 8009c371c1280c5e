import type { ErrorCode } from '../../base/catalogue';
import { ClusterliftError, ExitStatus, messageOf } from '../../base/errors';
import { line } from '../../base/text';
import { redactUrl } from './address';
import { codeOf } from './file';

/** What can go wrong between here and a web server. */

/** Errors after which asking again makes sense. */
export class TransientError extends ClusterliftError {}

/** An error of the network, in words. */
export function downloadError(error: unknown, url: URL): ClusterliftError {
  if (error instanceof ClusterliftError) return error;
  const code = codeOf(error) ?? (error instanceof Error ? codeOf(error.cause) : undefined) ?? '';
  const where = redactUrl(url);
  if (/CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|ERR_TLS|ERR_SSL/.test(code)) {
    return failure(
      'url-certificate',
      `The certificate of ${url.host} cannot be trusted (${code})`,
      'Check the address; a private authority can be named in NODE_EXTRA_CA_CERTS.',
      error,
    );
  }
  if (code === 'ENOTFOUND') {
    return failure(
      'url-host-unknown',
      `There is no host ${url.hostname}`,
      'Check the address, and the proxy settings if you need one to reach it.',
      error,
    );
  }
  if (/Proxy (Authentication|response)/i.test(messageOf(error))) {
    return failure(
      'proxy-refused',
      `The proxy refuses to fetch ${where}: ${line(messageOf(error), 100)}`,
      'Check user and password in the proxy settings.',
      error,
    );
  }
  return new TransientError({
    code: 'url-unavailable',
    message: `${where} cannot be reached: ${line(messageOf(error), 200)}`,
    hint: 'Try again; what has arrived so far is kept.',
    exit: ExitStatus.refused,
    cause: error,
  });
}

/** A status that refuses. */
export function refusedStatus(url: URL, status: number): ClusterliftError {
  const where = redactUrl(url);
  if (status === 401 || status === 403) {
    return failure(
      'url-auth',
      `${where} needs other credentials (status ${String(status)})`,
      'Set CLUSTERLIFT_URL_AUTH to user:password.',
    );
  }
  if (status === 407) {
    return failure(
      'proxy-refused',
      `The proxy wants credentials to fetch ${where}`,
      'Put user and password into the proxy settings.',
    );
  }
  if (status === 404 || status === 410) {
    return failure('url-not-found', `There is nothing at ${where} (status ${String(status)})`, 'Check the address.');
  }
  if (status >= 500 || status === 408 || status === 425 || status === 429) {
    return new TransientError({
      code: 'url-unavailable',
      message: `${where} is not available now (status ${String(status)})`,
      hint: 'Try again later; what has arrived so far is kept.',
      exit: ExitStatus.refused,
    });
  }
  return failure('url-refused', `${where} answered with status ${String(status)}`, 'Check the address.');
}

export function tooManyRedirects(url: URL): ClusterliftError {
  return failure('url-redirects', `${redactUrl(url)} is redirected again and again`, 'Check the address in a browser.');
}

export function noRange(url: URL): ClusterliftError {
  return failure(
    'url-no-range',
    `The server of ${redactUrl(url)} gives files only as a whole`,
    'Download the package first; upgrade does so by itself.',
  );
}

/** The content is not the one that was looked at before. */
export function changedContent(url: URL): ClusterliftError {
  return failure(
    'download-changed',
    `The content of ${redactUrl(url)} changed while it was fetched`,
    'Start again; give --sha256 to be sure to get the one that you want.',
  );
}

export function failure(code: ErrorCode, message: string, hint: string, cause?: unknown): ClusterliftError {
  return new ClusterliftError({ code, message, hint, exit: ExitStatus.refused, cause });
}
