import { createHash, type Hash } from 'node:crypto';
import { line } from '../../base/text';
import { MAX_DEPTH, MAX_MEMBERS, MAX_NAME } from './limits';
import { Names } from './names';
import { invalid, type Member } from './tar-stream';

/**
 * What may be in an archive that is unpacked as root: nothing absolute, no `..`, nothing through a link, nothing outside of
 * the saved paths, nothing twice, nothing without bounds. The same rules as check_members in tar.sh.
 */
export class MemberGuard {
  /** The flag says that it is a directory. */
  private readonly seen = new Names();
  private readonly tops: ReadonlySet<string>;
  private lastDirectory: string | undefined;

  /**
   * @param paths absolute paths that are present in the part
   * @param devices whether device nodes may be there
   * @param most members
   */
  constructor(
    paths: readonly string[],
    private readonly devices: boolean,
    private readonly most = MAX_MEMBERS,
  ) {
    // As names stand in Member: one character a byte.
    this.tops = new Set(paths.map((each) => Buffer.from(`.${each}`).toString('latin1')));
  }

  /** Bytes that it keeps of the members. */
  get bytes(): number {
    return this.seen.bytes;
  }

  /** @throws ClusterliftError `archive-invalid` */
  check(member: Member): void {
    const name = member.name.replace(/\/$/, '');
    const bad = (why: string): Error => invalid(`${why} (${shown(name)})`);
    if (!name.startsWith('./')) throw bad('a member has an absolute or foreign name');
    if (name.length > MAX_NAME) throw bad(`a name is longer than ${String(MAX_NAME)} bytes, which is the limit`);
    if (this.seen.size >= this.most) throw bad(`it has more than ${String(this.most)} members, which is the limit`);
    const parts = name.split('/').slice(1);
    if (parts.length > MAX_DEPTH)
      throw bad(`a member lies deeper than ${String(MAX_DEPTH)} directories, which is the limit`);
    if (parts.some((each) => each === '' || each === '.' || each === '..')) throw bad('a member leads elsewhere');
    if (name.includes('\0')) throw bad('a name has a NUL');
    if (!this.tops.has(name)) {
      const parent = this.parentOf(name);
      if (parent === undefined) throw bad('a member lies outside of the saved paths');
      if (!parent) throw bad('a member lies below something that is no directory');
    }
    if (this.seen.get(name) !== undefined) throw bad('a member is there twice');
    if (!this.devices && member.type.endsWith('device')) throw bad('there is a device');
    if (member.type === 'hard-link' && this.seen.get(member.target.replace(/\/$/, '')) !== false) {
      throw bad('a hard link leads to something else');
    }
    this.seen.add(name, member.type === 'directory');
  }

  /** Is what the member lies in a directory? undefined: it is not there. Many lie in the same one. */
  private parentOf(name: string): boolean | undefined {
    const parent = name.slice(0, name.lastIndexOf('/'));
    if (parent === this.lastDirectory) return true;
    const flag = this.seen.get(parent);
    if (flag) this.lastDirectory = parent;
    return flag;
  }

  /** @throws ClusterliftError `archive-invalid` when a saved path is missing */
  end(): void {
    for (const top of this.tops)
      if (this.seen.get(top) === undefined) throw invalid(`a saved path is missing (${shown(top)})`);
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
