import { byte, shortDate, u16, u32 } from './bytes';
import { damaged, unsupported } from './errors';

/** One directory record as it stands in the image (ECMA-119 9.1), not yet named by an extension. */
export interface DirectoryRecord {
  /** The plain identifier; one byte 0 or 1 for `.` and `..`. */
  readonly id: Uint8Array;
  readonly block: number;
  /** Bytes of this extent. */
  readonly bytes: number;
  readonly directory: boolean;
  /** An associated file (a resource fork): not one of the package's files. */
  readonly associated: boolean;
  /** More extents of the same file follow in the next record. */
  readonly continues: boolean;
  readonly date: Date | undefined;
  /** The system use field, where Rock Ridge lives. */
  readonly systemUse: Uint8Array;
}

const FIXED = 33;
const FLAG = { directory: 0x02, associated: 0x04, continues: 0x80 } as const;

/**
 * Splits one sector of a directory into its records. Records never cross a sector; a zero ends the sector.
 * @param sequence number of the volume that the extents must be on
 */
export function recordsOf(sector: Uint8Array, sequence: number): DirectoryRecord[] {
  const records: DirectoryRecord[] = [];
  for (let at = 0; at < sector.length;) {
    const length = byte(sector, at);
    if (length === 0) break;
    if (length <= FIXED || at + length > sector.length) throw damaged('a directory record has an impossible length');
    records.push(recordOf(sector.subarray(at, at + length), sequence));
    at += length;
  }
  return records;
}

function recordOf(bytes: Uint8Array, sequence: number): DirectoryRecord {
  const idLength = byte(bytes, 32);
  const idEnd = FIXED + idLength;
  if (idLength === 0 || idEnd > bytes.length) throw damaged('a directory record has an impossible name');
  if (byte(bytes, 26) !== 0 || byte(bytes, 27) !== 0) throw unsupported('an interleaved file');
  if (u16(bytes, 28) !== sequence) throw unsupported('a file on another volume of a set');
  const flags = byte(bytes, 25);
  return {
    id: bytes.subarray(FIXED, idEnd),
    // An extended attribute record lies in front of the data and is counted apart.
    block: u32(bytes, 2) + byte(bytes, 1),
    bytes: u32(bytes, 10),
    directory: (flags & FLAG.directory) !== 0,
    associated: (flags & FLAG.associated) !== 0,
    continues: (flags & FLAG.continues) !== 0,
    date: shortDate(bytes, 18),
    systemUse: bytes.subarray(Math.min(bytes.length, idEnd + ((idLength + 1) % 2))),
  };
}

/** Is this `.` or `..`? */
export function isDotRecord(record: DirectoryRecord): boolean {
  return record.id.length === 1 && (record.id[0] === 0 || record.id[0] === 1);
}
