import type { ErrorCode } from '../../base/catalogue';
import { ClusterliftError, ExitStatus } from '../../base/errors';

/** The ways in which an image can be no good. Each has one code, whatever byte gave it away. */

export function notAnImage(why: string): ClusterliftError {
  return refusal('package-not-iso', `This is not an ISO 9660 image: ${why}`, 'Give an upgrade package (.iso).');
}

export function truncated(have: number, need: number): ClusterliftError {
  return refusal(
    'package-truncated',
    `The image is cut off: it has ${String(have)} of ${String(need)} bytes`,
    'Download or copy it again, and compare its SHA-256 with the publisher’s.',
  );
}

export function damaged(what: string): ClusterliftError {
  return refusal(
    'package-damaged',
    `The image is damaged: ${what}`,
    'Download or copy it again, and compare its SHA-256 with the publisher’s.',
  );
}

export function unsupported(what: string): ClusterliftError {
  return refusal(
    'package-unsupported',
    `The image uses what upgrade packages cannot have: ${what}`,
    'Make the image with plain ISO 9660 and Rock Ridge, for example: xorriso -as mkisofs -R -o package.iso FOLDER.',
  );
}

export function unsafePath(what: string): ClusterliftError {
  return refusal(
    'package-unsafe-path',
    `The image holds a name that could leave its directory: ${what}`,
    'Do not use this image; ask its publisher for a clean one.',
  );
}

export function tooLarge(path: string, size: number, most: number): ClusterliftError {
  return refusal(
    'package-file-too-large',
    `${path} in the image has ${String(size)} bytes; at most ${String(most)} are read`,
    'Make the file smaller, or ask the publisher of the package whether it is the right one.',
  );
}

function refusal(code: ErrorCode, message: string, hint: string): ClusterliftError {
  return new ClusterliftError({ code, message, hint, exit: ExitStatus.refused });
}
