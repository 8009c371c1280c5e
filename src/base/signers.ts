/**
 * Public keys whose signatures count, as `trustedSigners` and OpenSSH's allowed_signers have them: options, then
 * `type base64 comment`. Of the options, the two that limit a key in time.
 */
export interface SignerLine {
  readonly blob: Buffer;
  /** Empty: there is none. */
  readonly comment: string;
  /** Milliseconds since 1970; the key counts from then on. */
  readonly after: number | undefined;
  /** Milliseconds since 1970; the key counts until then. */
  readonly before: number | undefined;
}

const KEY = /^(?:(valid-\S+) +)?(?:ssh-|ecdsa-|sk-)\S+ +(\S+)(?: +([^\r\n]*))?$/;
const OPTION = /^(valid-after|valid-before)="?(\d{8}(?:\d{4}(?:\d{2})?)?Z?)"?$/;

/** @returns undefined: not such a line, or its options cannot be */
export function parseSigner(text: string): SignerLine | undefined {
  const match = KEY.exec(text.trim());
  if (!match) return undefined;
  const [, options, base64 = '', comment = ''] = match;
  const times = new Map<string, number>();
  for (const option of options === undefined ? [] : options.split(',')) {
    const [, name, value] = OPTION.exec(option) ?? [];
    const time = value === undefined ? undefined : timeOf(value);
    if (name === undefined || time === undefined || times.has(name)) return undefined;
    times.set(name, time);
  }
  const [after, before] = [times.get('valid-after'), times.get('valid-before')];
  if (after !== undefined && before !== undefined && before <= after) return undefined;
  return { blob: Buffer.from(base64, 'base64'), comment: comment.trim(), after, before };
}

/** `YYYYMMDD[HHMM[SS]][Z]`; without Z, the time of this machine, as OpenSSH has it. Undefined: there is no such day. */
function timeOf(text: string): number | undefined {
  const [, year, month, day, hour = '00', minute = '00', second = '00', zone = ''] =
    /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(Z?)$/.exec(text) ?? [];
  if (year === undefined) return undefined;
  const iso = `${year}-${month ?? ''}-${day ?? ''}T${hour}:${minute}:${second}`;
  const time = Date.parse(`${iso}${zone}`);
  // 30 February would become a day in March.
  return Number.isNaN(time) || new Date(Date.parse(`${iso}Z`)).toISOString().slice(0, 19) !== iso ? undefined : time;
}
