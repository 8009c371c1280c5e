import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from '../../src/base/async';
import type { LabNode } from './node';

/** A moment inside of a step where a node can be made to stand still: a tool, and the words it is called with. */
export const HOLDS = {
  /** The lock is taken, and nobody was told yet. */
  lock: 'sync */clusterlift/lock',
  /** The digest of the image was right; it gets its name. */
  verified: 'mv -f *.part */image.iso',
  /** The first file is cut out of the image. */
  files: 'dd if=*/image.iso *',
  /** The version script of the test product. */
  version: 'cat /etc/acme/release',
  /** The lock is given back, which is not on the disk yet. */
  unlock: 'sync */released *',
  /** The archive is being written. */
  backup: 'tar -c --no-unquote*',
  /** The archive is being read back. */
  verify: 'tar -tv*',
  unpack: 'tar -x *',
  /** Between two renames of a swap. */
  swap: 'perl *rename*',
} as const;
export type Hold = keyof typeof HOLDS;

const SCRIPT = readFileSync(join(__dirname, 'hold.sh'), 'utf8');
const KNOB = '/var/acme-knobs/hold';

/** The node will stand still at the `nth` call, until `release`. */
export async function hold(node: LabNode, what: Hold, nth = 1): Promise<void> {
  const [tool = ''] = HOLDS[what].split(' ');
  await node.writeFile(`/usr/local/bin/${tool}`, SCRIPT, 0o755);
  await node.must(`rm -f ${KNOB}.*`);
  await node.writeFile(KNOB, `${String(nth)}\n${HOLDS[what]}\n`);
}

/** Until it stands still. */
export async function held(node: LabNode): Promise<void> {
  for (const end = Date.now() + 150_000; !(await node.exists(`${KNOB}.held`));) {
    if (Date.now() > end) throw new Error(`${node.name} was not held`);
    await sleep(50);
  }
}

export async function release(node: LabNode): Promise<void> {
  await node.must(`rm -f ${KNOB} ${KNOB}.*`);
}
