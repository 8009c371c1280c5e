import { ClusterliftError, ExitStatus } from '../../base/errors';
import { formatSize } from '../../base/units';

/**
 * Bounds on what a node or a backup server can make us keep in memory; docs/limits.md lists them. All far above what real
 * ones need.
 */

/** Members of an archive, or entries of a snapshot. check_members in tar.sh has the same. */
export const MAX_MEMBERS = 3_000_000;
/** Bytes of the name of a member, or of one line of a listing by restic. */
export const MAX_NAME = 16 * 1024;
export const MAX_LINE = 1024 * 1024;
/** Directories above a member. */
export const MAX_DEPTH = 1000;
/** Bytes of all extended headers of one member: Linux limits an attribute to 64 KiB. */
export const MAX_EXTENDED = 1024 * 1024;
/** Records in one extended header. */
export const MAX_RECORDS = 10_000;
/** Entries and bytes of names in a directory of a backup server. */
export const MAX_ENTRIES = 100_000;
export const MAX_ENTRY_BYTES = 16 * 1024 * 1024;
/** Bytes of the list of snapshots of a restic repository. */
export const MAX_LIST = 64 * 1024 * 1024;
/** Restore points of a location as each node holds them, and bytes of their `point.json` and `status.json`, all together. */
export const MAX_POINTS = 20_000;
export const MAX_POINTS_BYTES = 256 * 1024 * 1024;

/** Counts what came from elsewhere, and refuses it when it becomes too much. */
export class Budget {
  private count = 0;
  private bytes = 0;

  /**
   * @param what for the message, such as `The directory /srv`
   * @param unit what is counted, such as `entries`
   */
  constructor(
    private readonly what: string,
    private readonly unit: string,
    private readonly most: { readonly count: number; readonly bytes: number },
  ) {}

  /** @throws ClusterliftError `limit-exceeded` */
  take(bytes: number, count = 1): void {
    this.count += count;
    this.bytes += bytes;
    if (this.count > this.most.count)
      throw tooMuch(`${this.what} has more than ${String(this.most.count)} ${this.unit}, which is the limit`);
    if (this.bytes > this.most.bytes)
      throw tooMuch(`${this.what} has more than ${formatSize(this.most.bytes)} of ${this.unit}, which is the limit`);
  }
}

function tooMuch(message: string): ClusterliftError {
  return new ClusterliftError({
    code: 'limit-exceeded',
    message,
    hint: 'Look who can write there. Remove what does not belong there; docs/limits.md has all limits.',
    exit: ExitStatus.refused,
  });
}
