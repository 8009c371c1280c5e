import { createHash, type Hash } from 'node:crypto';
import { line } from '../base/text';
import { invalid, type Member } from './tar-stream';

/**
 * What may be in an archive that is unpacked as root: nothing absolute, no `..`, nothing through a link, nothing outside of
 * the saved paths, nothing twice. The same rules as check_members in tar.sh.
 */
export class MemberGuard {
  private readonly seen = new Map<string, 'directory' | 'other'>();
  private readonly tops: ReadonlySet<string>;

  /**
   * @param paths absolute paths that are present in the part
   * @param devices whether device nodes may be there
   */
  constructor(
    paths: readonly string[],
    private readonly devices: boolean,
  ) {
    // As names stand in Member: one character a byte.
    this.tops = new Set(paths.map((each) => Buffer.from(`.${each}`).toString('latin1')));
  }

  /** @throws ClusterliftError `archive-invalid` */
  check(member: Member): void {
    const name = member.name.replace(/\/$/, '');
    const bad = (why: string): Error => invalid(`${why} (${shown(name)})`);
    if (!name.startsWith('./')) throw bad('a member has an absolute or foreign name');
    const parts = name.split('/').slice(1);
    if (parts.some((each) => each === '' || each === '.' || each === '..')) throw bad('a member leads elsewhere');
    if (name.includes('\0')) throw bad('a name has a NUL');
    if (this.seen.has(name)) throw bad('a member is there twice');
    if (!this.tops.has(name)) {
      const parent = this.seen.get(name.slice(0, name.lastIndexOf('/')));
      if (parent === undefined) throw bad('a member lies outside of the saved paths');
      if (parent !== 'directory') throw bad('a member lies below something that is no directory');
    }
    if (!this.devices && member.type.endsWith('device')) throw bad('there is a device');
    if (member.type === 'hard-link' && this.seen.get(member.target.replace(/\/$/, '')) !== 'other') {
      throw bad('a hard link leads to something else');
    }
    this.seen.set(name, member.type === 'directory' ? 'directory' : 'other');
  }

  /** @throws ClusterliftError `archive-invalid` when a saved path is missing */
  end(): void {
    for (const top of this.tops) if (!this.seen.has(top)) throw invalid(`a saved path is missing (${shown(top)})`);
  }
}

function shown(name: string): string {
  return line(Buffer.from(name, 'latin1').toString('utf8'), 200);
}

/** The listing of a stream: a JSON line for each member, in order; only its digest is kept. */
export class StreamListing {
  count = 0;
  private readonly hash: Hash = createHash('sha256');

  add(member: Member): void {
    const { name, type, mode, uid, gid, size, mtime, target, device, attributes } = member;
    this.hash.update(`${JSON.stringify([name, type, mode, uid, gid, size, mtime, target, device, attributes])}\n`);
    this.count++;
  }

  digest(): string {
    return this.hash.digest('hex');
  }
}
