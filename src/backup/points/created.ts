import { plain } from '../../base/text';
import type { Entries } from '../../ssh/exec/script';
import { FEATURES, type ArchiveData, type Feature, type Part, type SavedPath } from './point';
import type { PartRequest } from './store';

/** Reads what archive.sh and snapshot.sh tell about a part that they made. */

/** `present /opt/a`, `link /opt/b`, `absent /opt/c`: a line for each path. */
export function savedPaths(lines: readonly string[]): SavedPath[] {
  return lines.map((each) => {
    const at = each.indexOf(' ');
    const word = each.slice(0, at);
    return { path: each.slice(at + 1), state: word === 'absent' ? 'absent' : 'present', link: word === 'link' };
  });
}

function features(text: string | undefined): Feature[] {
  const words = (text ?? '').split(' ');
  return FEATURES.filter((each) => words.includes(each));
}

function warnings(text: string | undefined): string[] {
  return plain(text ?? '')
    .split('\n')
    .filter((each) => each !== '')
    .slice(-20)
    .map((each) => each.slice(0, 1000));
}

/** Everything of an archive's part except where it lies and how it is listed. */
export function partOf(request: PartRequest, entries: Entries, data: Part['data'], listing: Part['listing']): Part {
  return {
    node: request.node.name,
    version: request.version ?? null,
    paths: savedPaths(entries.lines('paths')),
    data,
    treeBytes: entries.number('tree-kb') * 1024,
    listing,
    kept: features(entries.text('kept')),
    lost: features(entries.text('lost')),
    warnings: warnings(entries.text('warnings')),
  };
}

export function compressionOf(entries: Entries): ArchiveData['compression'] {
  return entries.required('compression') === 'zstd' ? 'zstd' : 'gzip';
}

export function tarOf(entries: Entries): ArchiveData['tar'] {
  return entries.required('tar') === 'busybox' ? 'busybox' : 'gnu';
}
