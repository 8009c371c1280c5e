import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { startTime, tryNow } from './tools';

/**
 * A slot is what one lab owns on this machine. Its number names everything (bridge, namespaces, subnet, directory),
 * so that a lab whose owner was killed can be removed by the next one.
 */
export interface Slot {
  readonly number: number;
  readonly dir: string;
  readonly bridge: string;
  /** First three numbers of its /24. */
  readonly subnet: string;
}

const ROOT = '/run/clusterlift-lab';
const SLOTS = 4096;

function slotOf(number: number): Slot {
  return {
    number,
    dir: `${ROOT}/${String(number)}`,
    bridge: `cl${String(number)}`,
    subnet: `10.${String(64 + (number >> 8))}.${String(number & 255)}`,
  };
}

export const namespaceOf = (slot: Slot, index: number): string => `cl${String(slot.number)}n${String(index)}`;

/** Takes a free number; the directory of a slot is its claim, so two processes never share one. */
export function claimSlot(): Slot {
  mkdirSync(ROOT, { recursive: true, mode: 0o755 });
  const used = new Set(
    Object.values(networkInterfaces()).flatMap((each) =>
      (each ?? []).map(({ address }) => address.replace(/\.\d+$/, '')),
    ),
  );
  for (let number = 1; number < SLOTS; number++) {
    const slot = slotOf(number);
    if (used.has(slot.subnet)) continue;
    try {
      mkdirSync(slot.dir);
    } catch {
      continue;
    }
    writeFileSync(`${ROOT}/${String(number)}.owner`, `${String(process.pid)} ${startTime(process.pid) ?? ''}`);
    return slot;
  }
  throw new Error('no free slot for a lab: is something left behind in /run/clusterlift-lab?');
}

/** Removes all that a slot holds; its processes must be dead. Bears repetition. */
export function releaseSlot(slot: Slot): void {
  const prefix = `${slot.bridge}n`;
  for (const name of existsSync('/run/netns') ? readdirSync('/run/netns') : []) {
    if (name.startsWith(prefix)) tryNow('ip', ['netns', 'delete', name]);
  }
  for (const name of Object.keys(readInterfaces())) {
    if (name.startsWith(prefix)) tryNow('ip', ['link', 'delete', name]);
  }
  tryNow('ip', ['link', 'delete', slot.bridge]);
  for (const point of mountsUnder(slot.dir)) tryNow('umount', ['-l', point]);
  if (mountsUnder(slot.dir).length > 0) return; // never remove files through a mount that would not go
  rmSync(`${ROOT}/${String(slot.number)}.owner`, { force: true });
  rmSync(slot.dir, { recursive: true, force: true });
}

/** Removes what labs left behind whose owner is dead. */
export function sweep(): void {
  if (!existsSync(ROOT)) return;
  for (const name of readdirSync(ROOT)) {
    if (!/^\d+$/.test(name) || ownerLives(name)) continue;
    const claim = `${ROOT}/${name}.sweep`;
    try {
      mkdirSync(claim); // one sweeper at a time: a second one could hit the slot's next owner
    } catch {
      if (age(claim) > 60_000) rmSync(claim, { recursive: true, force: true });
      continue;
    }
    if (!ownerLives(name)) releaseSlot(slotOf(Number(name)));
    rmdirSync(claim);
  }
}

function ownerLives(name: string): boolean {
  try {
    const [pid, start] = readFileSync(`${ROOT}/${name}.owner`, 'utf8').split(' ');
    return startTime(Number(pid)) === start;
  } catch {
    return age(`${ROOT}/${name}`) < 10_000; // claimed a moment ago, its owner not written yet
  }
}

function age(path: string): number {
  try {
    return Date.now() - statSync(path).mtimeMs;
  } catch {
    return 0;
  }
}

/** Mount points at or below `dir`, innermost first. */
function mountsUnder(dir: string): string[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((point) => point === dir || point.startsWith(`${dir}/`))
    .reverse();
}

function readInterfaces(): Record<string, true> {
  return Object.fromEntries(readdirSync('/sys/class/net').map((name) => [name, true]));
}
