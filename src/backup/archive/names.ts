import { createHash } from 'node:crypto';

/** What is kept of a name: 16 bytes as four words; the last bit of the last one is the flag. */
const WORDS = 4;
const FIRST = 1024;

/**
 * Many names, each with one flag, in 16 bytes each: a digest stands for the name. So the memory is bounded by their number,
 * however long they are.
 */
export class Names {
  private slots = new Uint32Array(FIRST * WORDS);
  size = 0;
  /** What was asked for last is often added next. */
  private last = { name: '', key: keyOf('') };

  get bytes(): number {
    return this.slots.byteLength;
  }

  /** @returns its flag; undefined: it is not there */
  get(name: string): boolean | undefined {
    const key = this.keyOf(name);
    const at = find(this.slots, key);
    if (this.slots[at] === 0) return undefined;
    return ((this.slots[at + WORDS - 1] ?? 0) & 1) === 1;
  }

  /** Adds a name that is not there yet. */
  add(name: string, flag: boolean): void {
    if ((this.size + 1) * WORDS > this.slots.length * 0.75) this.grow();
    const key = Uint32Array.from(this.keyOf(name));
    key[WORDS - 1] = ((key[WORDS - 1] ?? 0) & ~1) | (flag ? 1 : 0);
    this.slots.set(key, find(this.slots, key));
    this.size++;
  }

  private keyOf(name: string): Uint32Array {
    if (name !== this.last.name) this.last = { name, key: keyOf(name) };
    return this.last.key;
  }

  private grow(): void {
    const old = this.slots;
    this.slots = new Uint32Array(old.length * 2);
    for (let at = 0; at < old.length; at += WORDS) {
      if (old[at] === 0) continue;
      const key = old.subarray(at, at + WORDS);
      this.slots.set(key, find(this.slots, key));
    }
  }
}

function keyOf(name: string): Uint32Array {
  const digest = createHash('sha256').update(name, 'latin1').digest();
  const key = Uint32Array.from({ length: WORDS }, (_, index) => digest.readUInt32LE(index * 4));
  // The first word tells whether a slot is taken.
  if (key[0] === 0) key[0] = 1;
  return key;
}

/** Where the key is, else where it would be put. */
function find(slots: Uint32Array, key: Uint32Array): number {
  const count = slots.length / WORDS;
  for (let slot = (key[1] ?? 0) % count; ; slot = (slot + 1) % count) {
    const at = slot * WORDS;
    if (slots[at] === 0 || same(slots, at, key)) return at;
  }
}

function same(slots: Uint32Array, at: number, key: Uint32Array): boolean {
  return (
    slots[at] === key[0] &&
    slots[at + 1] === key[1] &&
    slots[at + 2] === key[2] &&
    ((slots[at + 3] ?? 0) | 1) >>> 0 === ((key[3] ?? 0) | 1) >>> 0
  );
}
