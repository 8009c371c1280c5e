import type { RandomReader } from '../../base/reader';
import { damaged } from './errors';

/** The fields of ECMA-119 that occur in several structures. Numbers are stored in both byte orders; the first half counts. */

export function u16(bytes: Uint8Array, at: number): number {
  return byte(bytes, at) | (byte(bytes, at + 1) << 8);
}

export function u32(bytes: Uint8Array, at: number): number {
  return u16(bytes, at) + u16(bytes, at + 2) * 0x10000;
}

export function byte(bytes: Uint8Array, at: number): number {
  const value = bytes[at];
  if (value === undefined) throw damaged('a record ends too early');
  return value;
}

export function ascii(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

/** UCS-2, big endian, as Joliet has it. Undefined for an odd number of bytes or half of a surrogate pair. */
export function ucs2(bytes: Uint8Array): string | undefined {
  if (bytes.length % 2 !== 0) return undefined;
  const text = Buffer.from(bytes).swap16().toString('utf16le');
  return text.isWellFormed() ? text : undefined;
}

/** Undefined when it is not UTF-8. */
export function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** The 7 bytes of ECMA-119 9.1.5; undefined when they are no date. */
export function shortDate(bytes: Uint8Array, at: number): Date | undefined {
  const [year, month, day, hour, minute, second] = [0, 1, 2, 3, 4, 5].map((i) => byte(bytes, at + i)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59) return undefined;
  const quarters = (byte(bytes, at + 6) << 24) >> 24; // signed, in 15 minutes east of Greenwich
  return new Date(Date.UTC(1900 + year, month - 1, day, hour, minute - quarters * 15, second));
}

/** Exactly these bytes. An image that points past its end is damaged. */
export async function readExactly(reader: RandomReader, offset: number, length: number): Promise<Uint8Array> {
  if (offset < 0 || length < 0 || offset + length > reader.size) throw damaged('it points past its own end');
  const bytes = await reader.read(offset, length);
  if (bytes.length !== length) throw damaged('its end went away while it was read');
  return bytes;
}
