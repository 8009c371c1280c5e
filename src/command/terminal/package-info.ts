import { formatDuration, formatSize } from '../../base/units';
import type { PackageInfo } from '../../package/inspect';
import { paint, tone, type Look } from './look';

/** What `package inspect` shows. */
export function renderInfo(info: PackageInfo, where: string, look: Look): string[] {
  const { manifest } = info;
  const { compatible, needs, scripts, backup } = manifest;
  const list = (values: readonly string[] | undefined, otherwise: string): string =>
    values && values.length > 0 ? values.join(', ') : otherwise;
  const rows: [string, string][] = [
    ['lies at', where],
    ['size', formatSize(info.imageSize)],
    ['upgrades from', compatible.from ?? 'any version'],
    ['for', `${list(compatible.arch, 'any architecture')}; ${list(compatible.os, 'any system')}`],
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
    ['upgrade takes', `up to ${formatDuration(manifest.timeouts.upgrade)} before it counts as overdue`],
    ['backs up', list(backup?.paths, 'nothing by itself')],
    ['checksums', info.hasSums ? (info.hasSignature ? 'SHA256SUMS, signed' : 'SHA256SUMS, not signed') : 'none inside'],
  ];
  const width = Math.max(...rows.map(([label]) => label.length));
  return [
    paint([tone('strong', `${info.product} ${info.version}`)], look),
    ...rows
      .filter(([, value]) => value !== '')
      .map(([label, value]) => paint(['  ', tone('dim', label.padEnd(width)), '  ', value], look)),
  ];
}
