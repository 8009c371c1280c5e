import { ExitStatus } from './exit-status';
import type { ErrorEntry } from './entry';

const { usage, refused } = ExitStatus;

/** Packages, signatures and downloads. */
export const PACKAGE_ERRORS = {
  'package-not-found': {
    exit: refused,
    cause: 'The package file does not exist.',
    next: 'Check the path. node:PATH names a file on the primary.',
  },
  'package-unreadable': {
    exit: refused,
    cause: 'The package cannot be read or copied.',
    next: 'Check that it is a file and that you may read it.',
  },
  'package-not-iso': {
    exit: refused,
    cause: 'The file is not an ISO 9660 image.',
    next: 'Give an upgrade package (.iso).',
  },
  'package-truncated': {
    exit: refused,
    cause: 'The image is cut off.',
    next: 'Download or copy it again, and compare its SHA-256.',
  },
  'package-damaged': {
    exit: refused,
    cause: 'The image is damaged.',
    next: 'Download or copy it again, and compare its SHA-256.',
  },
  'package-unsupported': {
    exit: refused,
    cause: 'The image uses a feature that upgrade packages cannot have.',
    next: 'Create the image with plain ISO 9660 and Rock Ridge.',
  },
  'package-unsafe-path': {
    exit: refused,
    cause: 'The image contains a name that leads out of its directory.',
    next: 'Do not use this image. Ask its publisher for a clean one.',
  },
  'package-file-too-large': {
    exit: refused,
    cause: 'A file of the image that must be read as a whole is too large.',
    next: 'Make the file smaller, or ask the publisher of the package.',
  },
  'package-changed': {
    exit: refused,
    cause: 'The package changed while it was read, or since the plan was made.',
    next: 'Put the same file back where nobody else can write, then try again.',
  },
  'no-manifest': {
    exit: refused,
    cause: 'The image has no manifest, so it is not an upgrade package.',
    next: 'Give an upgrade package, or configure a "recipe" for the cluster.',
  },
  'manifest-invalid': {
    exit: refused,
    cause: 'The manifest of the package is not valid.',
    next: 'Fix the manifest and create the image again.',
  },
  'manifest-script-missing': {
    exit: refused,
    cause: 'The manifest names a script that the image does not contain.',
    next: 'Add the script to the image, or remove it from the manifest.',
  },
  'no-package-version': {
    exit: refused,
    cause: 'An image without a manifest does not say its version.',
    next: 'Rename it so that it ends with product and version, such as acme-voice-24.2.0.iso.',
  },
  'no-package-found': {
    exit: refused,
    cause: 'No usable package was found on the primary.',
    next: 'Copy a package there, or name one: `clusterlift upgrade ISO`.',
  },
  'package-tie': {
    exit: refused,
    cause: 'Two different images have the same product and version.',
    next: 'Remove the wrong one, or name the right one.',
  },
  'package-product-unclear': {
    exit: refused,
    cause: 'Nothing is installed, and there are packages of several products.',
    next: 'Name the package: `clusterlift upgrade ISO`.',
  },
  'package-writable': {
    exit: refused,
    cause: 'Other users can change the newest package on the primary.',
    next: 'Check the package, then name it, or restrict its permissions.',
  },
  'packages-many': {
    exit: refused,
    cause: 'A package directory holds too many images to find the newest.',
    next: 'Name the package, or move old images to another directory.',
  },
  'package-missing': {
    exit: refused,
    cause: 'The package of a run cannot be found again.',
    next: 'Put the same file back, then resume. Or abandon the run.',
  },
  'script-size': {
    exit: refused,
    cause: 'A script that runs before the package is on the node is too large.',
    next: 'Keep programs and data in another folder of the package.',
  },
  'script-interpreter': {
    exit: refused,
    cause: 'A script of the package cannot be started.',
    next: 'Write it with LF line ends and an absolute interpreter, and create the package again.',
  },
  'signature-missing': {
    exit: refused,
    cause: 'The package is not signed, and the cluster requires a signature.',
    next: 'Get a signed package from its publisher, or change upgrade.requireSignature.',
  },
  'signature-invalid': {
    exit: refused,
    cause: 'The signature of the package is not valid.',
    next: 'Do not use this package. Get it again from its publisher.',
  },
  'signature-untrusted': {
    exit: refused,
    cause: 'The package is signed with a key that is not in trustedSigners.',
    next: 'Check the key with the publisher, then add it to upgrade.trustedSigners.',
  },
  'signature-expired': {
    exit: refused,
    cause: 'The signing key was not valid at the time of the signature.',
    next: 'Get a package with a newer signature.',
  },
  'signature-revoked': {
    exit: refused,
    cause: 'The signing key is revoked.',
    next: 'Do not use this package. Ask its publisher for another one.',
  },
  'sums-invalid': {
    exit: refused,
    cause: 'The checksum file of the image cannot be read.',
    next: 'Create it with sha256sum, and create the image again.',
  },
  'sums-mismatch': {
    exit: refused,
    cause: 'A file of the image does not match its checksum.',
    next: 'Download or copy the image again, or ask its publisher.',
  },
  'digest-mismatch': {
    exit: refused,
    cause: 'The SHA-256 of the package is not the expected one.',
    next: 'Check the digest with the publisher, then get the file again.',
  },
  'plain-http': {
    exit: refused,
    cause: 'The package comes over plain HTTP, and no checksum or signature vouches for it.',
    next: 'Give --sha256, use https, or accept it with --override plain-http.',
  },
  'disk-full': {
    exit: refused,
    cause: 'There is no space left for the package on this machine.',
    next: 'Free some space and start again. A download continues where it stopped.',
  },
  'download-unwritable': {
    exit: refused,
    cause: 'The download cannot be written.',
    next: 'Check the permissions of its directory.',
  },
  'download-changed': {
    exit: refused,
    cause: 'The content of the URL changed while it was downloaded.',
    next: 'Start again, with --sha256 if you know the digest.',
  },
  'url-invalid': {
    exit: usage,
    cause: 'The text is not a web address.',
    next: 'Give an address that begins with http:// or https://.',
  },
  'url-auth': {
    exit: refused,
    cause: 'The server needs other credentials.',
    next: 'Set CLUSTERLIFT_URL_AUTH to user:password.',
  },
  'url-certificate': {
    exit: refused,
    cause: 'The certificate of the server is not trusted.',
    next: 'Check the address. Name a private authority in NODE_EXTRA_CA_CERTS.',
  },
  'url-host-unknown': {
    exit: refused,
    cause: 'The host of the URL cannot be resolved.',
    next: 'Check the address and the proxy settings.',
  },
  'url-not-found': {
    exit: refused,
    cause: 'The server has no file at this URL.',
    next: 'Check the address.',
  },
  'url-no-range': {
    exit: refused,
    cause: 'The server sends files only as a whole.',
    next: 'Download the package first. `upgrade` does so by itself.',
  },
  'url-redirects': {
    exit: refused,
    cause: 'The URL is redirected too often.',
    next: 'Check the address in a browser.',
  },
  'url-refused': {
    exit: refused,
    cause: 'The server refused the request.',
    next: 'Check the address and the server.',
  },
  'url-unavailable': {
    exit: refused,
    cause: 'The server cannot be reached or is not available now.',
    next: 'Try again. What has arrived is kept.',
  },
  'proxy-invalid': {
    exit: usage,
    cause: 'The proxy address cannot be used.',
    next: 'Set HTTP_PROXY or HTTPS_PROXY to http://HOST:PORT, or NO_PROXY for this host.',
  },
  'proxy-refused': {
    exit: refused,
    cause: 'The proxy refused the request.',
    next: 'Check the user and password in the proxy settings.',
  },
} satisfies Record<string, ErrorEntry>;
