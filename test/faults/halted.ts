import { strict as assert } from 'node:assert';
import { clearKnob, setKnob } from '../lab/acme';
import type { CliRun } from '../lab/cli';
import { type Hold, held, hold, release } from '../lab/hold';
import type { Lab, LabNode } from '../lab/nodes';
import { begun, ended } from '../integration/cli/scene';
import { underWayOn, until } from './faults';

/** The steps of an upgrade without reboot and provision, in order. */
export const STEPS = [
  'lock',
  'stage',
  'unpack',
  'stop',
  'upgrade',
  'start',
  'version',
  'health',
  'settle',
  'unlock',
] as const;
export type Step = (typeof STEPS)[number];

/** Enough for seconds of staging at a megabyte a second. */
export const PAD = { padBytes: 5_000_000 };

const HAS_A_PART = '[ "$(cat /var/lib/clusterlift/packages/*/image.iso.part | wc -c)" -ge 1000000 ]';

const HOLD: Partial<Record<Step, Hold>> = { lock: 'lock', unpack: 'files', version: 'version', unlock: 'unlock' };

/**
 * An upgrade of two nodes that stands still in the middle of a step of n2 until `letGo`, so that it cannot be over before
 * something happens to it. Staging is slow instead, and has come to a part of the image.
 */
export async function haltedIn(step: Step, lab: Lab, upgrade: () => CliRun): Promise<CliRun> {
  const n2 = lab.node('n2');
  if (step === 'stage') await n2.slow(8000);
  // What would also hold an earlier step comes when that one is over.
  else if (step === 'version') await setKnob(n2, 'start', 'wait');
  else if (step === 'settle') await setKnob(lab.node('n1'), 'health', 'wait');
  else await halt(n2, step);
  const command = upgrade();
  if (step === 'version') {
    await underWayOn(n2, 'start');
    await halt(n2, step);
    await clearKnob(n2, 'start', 'wait');
  }
  if (step === 'settle') {
    await command.waitFor(ended('n2', 'health'));
    await halt(n2, step);
    await clearKnob(lab.node('n1'), 'health', 'wait');
  }
  await command.waitFor(begun('n2', step));
  if (step === 'stage') await until(async () => (await n2.run(HAS_A_PART)).code === 0);
  else if (HOLD[step]) await held(n2);
  else await underWayOn(n2, scriptOf(step));
  assert.ok(!command.events.some(ended('n2', step)), `${step} was over too soon`);
  return command;
}

async function halt(node: LabNode, step: Step): Promise<void> {
  const at = HOLD[step];
  if (at) await hold(node, at);
  else await setKnob(node, scriptOf(step), 'wait');
}

/** The node goes on, or will when it has power again. */
export async function letGo(node: LabNode, step: Step): Promise<void> {
  if (step === 'stage') await node.slow();
  else if (HOLD[step]) await release(node);
  else await clearKnob(node, scriptOf(step), 'wait');
}

function scriptOf(step: Step): 'stop' | 'upgrade' | 'start' | 'health' {
  switch (step) {
    case 'stop':
    case 'upgrade':
    case 'start':
    case 'health':
      return step;
    case 'settle':
      return 'health';
    default:
      throw new Error(`${step} runs no script that can wait`);
  }
}

/** Bytes of the image that came to a node from here, as the end of its staging tells. */
export function sentTo({ events }: CliRun, node: string): number {
  const end = events.find(ended(node, 'stage'));
  return (end?.['data'] as { readonly sent: number }).sent;
}
