import { Lab } from '../lab/nodes';
import { makePackage, type MadePackage } from '../lab/images';
import { inTurns, measure, ROUNDS } from './measure';
import { Peers, RESET, sameSteps } from './peers';
import { type Figure, seconds, times } from './report';
import { CLI } from './start';

const NODES = 20;

/** A package whose scripts do nothing: what is left is our own doing. */
export function idlePackage(padBytes?: number): Promise<MadePackage> {
  const nothing = '#!/bin/sh\n:\n';
  return makePackage({
    product: 'bench',
    version: '2.0',
    scripts: {
      version: '#!/bin/sh\ncat /etc/bench-release 2>/dev/null || :\n',
      upgrade: '#!/bin/sh\necho 2.0 > /etc/bench-release\n',
      check: nothing,
      stop: nothing,
      start: nothing,
      health: nothing,
    },
    ...(padBytes !== undefined && { padBytes }),
  });
}

/** Runs our own upgrade; gives its milliseconds. */
export async function upgrade(lab: Lab, image: string, ...more: string[]): Promise<number> {
  const args = [CLI, 'upgrade', image, '--yes', '--json', ...more];
  return (await measure(process.execPath, args, { env: lab.env(), cwd: lab.home })).ms;
}

/** What an upgrade of 20 nodes costs when its scripts do nothing, against other tools that do the same steps. */
export async function overhead(): Promise<Figure[]> {
  const image = await idlePackage();
  const lab = await Lab.start({ nodes: Array.from({ length: NODES }, () => ({})) });
  const peers = await Peers.prepare(lab, sameSteps(image.path, image.sha256));
  try {
    await lab.writeClustersJson();
    const fresh = async (once: () => Promise<number>): Promise<number> => {
      await Promise.all(lab.nodes.map((node) => node.must(RESET)));
      return once();
    };
    const took = await inTurns(ROUNDS, {
      ours: () => fresh(() => upgrade(lab, image.path)),
      'ansible-playbook': () => fresh(() => peers.ansible()),
      clush: () => fresh(() => peers.clush()),
      'clush, as two commands': () => fresh(() => peers.clushAtOnce()),
    });
    const { ours = 0, ...others } = took;
    return Object.entries(others).map(([name, ms]) => ({
      what: `no-op upgrade of ${String(NODES)} nodes`,
      ours: seconds(ours),
      peer: `${name}: ${seconds(ms)}`,
      ratio: times(ours, ms),
    }));
  } finally {
    await peers.remove();
    await lab.stop();
  }
}
