import type { IsoEntry } from './image';

/** As many links on one path as Linux follows. */
const MOST_LINKS = 40;

/** Follows the links of a path, as a file system would; undefined when it leads nowhere, in a circle or out of the image. */
export function resolveEntry(entries: ReadonlyMap<string, IsoEntry>, path: string): IsoEntry | undefined {
  let rest = path.split('/');
  const walked: string[] = [];
  for (let links = 0; ;) {
    const part = rest.shift();
    if (part === undefined) return entries.get(walked.join('/'));
    if (part === '' || part === '.') continue;
    if (part === '..') {
      if (walked.pop() === undefined) return undefined;
      continue;
    }
    const entry = entries.get([...walked, part].join('/'));
    if (entry === undefined) return undefined;
    if (entry.kind !== 'symlink') {
      walked.push(part);
      continue;
    }
    if (++links > MOST_LINKS) return undefined;
    rest = [...(entry.target ?? '').split('/'), ...rest];
  }
}
