import { formatDuration, formatSize } from '../base/units';
import type { PackageInfo } from '../package/inspect';
import type { SignatureReport } from '../package/inspect-signature';
import { dayOf, type Signers } from '../package/signature';
import { paint, tone, type Theme } from './theme';

/** Whose signatures count, and by the word of which cluster; undefined: none is chosen. */
export interface Trust extends Signers {
  readonly cluster: string | undefined;
}

/** What the signature is worth, for people. */
export function signatureWords({ hasSums }: PackageInfo, report: SignatureReport, { trusted, cluster }: Trust): string {
  const list = hasSums ? 'SHA256SUMS' : 'not included';
  if (report.state === 'none') return hasSums ? `${list}, not signed` : list;
  if (report.state === 'invalid') return `${list}; invalid signature: ${report.why}`;
  const { name, fingerprint, limit } = report;
  const by = `${list}, signed by ${name === fingerprint ? fingerprint : `${name} (${fingerprint})`}`;
  const whom = `a trusted signer of ${cluster ?? ''}`;
  switch (report.state) {
    case 'trusted':
      return `${by}, ${whom}; check and upgrade verify the other files`;
    case 'unknown':
      return trusted.length === 0 ? `${by}, not a trusted signer` : `${by}, not ${whom}`;
    case 'early':
      return `${by}, ${whom} only from ${dayOf(limit)}`;
    case 'expired':
      return `${by}, ${whom} only until ${dayOf(limit)}`;
    case 'revoked':
      return `${by}, but the key is revoked`;
  }
}

/** What `package inspect` shows. @param checksums as `signatureWords` has it */
export function renderInfo(info: PackageInfo, where: string, checksums: string, theme: Theme): string[] {
  const { manifest } = info;
  const { compatible, needs, scripts, backup } = manifest;
  const list = (values: readonly string[] | undefined, otherwise: string): string =>
    values && values.length > 0 ? values.join(', ') : otherwise;
  const rows: [string, string][] = [
    ['location', where],
    ['size', formatSize(info.imageSize)],
    ['upgrades from', compatible.from ?? 'any version'],
    ['supports', `${list(compatible.arch, 'any architecture')}; ${list(compatible.os, 'any system')}`],
    [
      'needs',
      [needs.disk > 0 ? formatSize(needs.disk) : '', ...needs.commands].filter((each) => each !== '').join(', '),
    ],
    ['role order', list(manifest.roles, '')],
    [
      'scripts',
      Object.entries(scripts)
        .flatMap(([name, path]) => (path === undefined ? [] : [name]))
        .join(', '),
    ],
    ['provision', manifest.provision],
    ['upgrade time limit', `${formatDuration(manifest.timeouts.upgrade)}, then it is reported as overdue`],
    ['backup paths', list(backup?.paths, 'none')],
    ['checksums', checksums],
  ];
  const width = Math.max(...rows.map(([label]) => label.length));
  return [
    paint([tone('strong', `${info.product} ${info.version}`)], theme),
    ...rows
      .filter(([, value]) => value !== '')
      .map(([label, value]) => paint(['  ', tone('dim', label.padEnd(width)), '  ', value], theme)),
  ];
}
