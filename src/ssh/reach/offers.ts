import { join } from 'node:path';
import { type Env, home } from '../../base/paths';
import { rsaBitsOf } from './algorithms';
import { DEFAULT_IDENTITIES, type KeyFiles, type KeyOffer, type KeyProblem, agentOffers, sameKey } from './keys';
import type { Target } from './target';

/** The keys for one server, in order, and why others are left out. */
export interface Offers {
  readonly offers: readonly KeyOffer[];
  readonly leftOut: readonly string[];
}

/**
 * Named keys first, signed by the agent where it holds them; then the other keys of the agent unless `IdentitiesOnly`;
 * without named keys the agent's first, then the usual files. A server cuts us off after a few wrong ones (MaxAuthTries).
 */
export async function offersFor(target: Target, env: Env, keys: KeyFiles): Promise<Offers> {
  const named = target.identityFiles.length > 0;
  const files = named ? target.identityFiles : DEFAULT_IDENTITIES.map((name) => join(home(env), '.ssh', name));
  const agent = target.agent === undefined ? undefined : await agentOffers(target.agent);
  const inAgent = agent?.offers ?? [];
  const leftOut = agent?.problem === undefined ? [] : [`agent (${agent.problem})`];
  const first: KeyOffer[] = [];
  for (const file of files) {
    const found = pick(await keys.offer(file, target.node), inAgent);
    if (found === undefined && named) leftOut.push(`${file} (no such file)`);
    else if (typeof found === 'string') leftOut.push(found);
    else if (found !== undefined) first.push(found);
  }
  const others = target.identitiesOnly ? [] : inAgent.filter((each) => !first.includes(each));
  const all = named ? [...first, ...others] : [...others, ...first];
  const { rsaBits } = target.algorithms;
  const isWeak = ({ publicKey }: KeyOffer): boolean => (rsaBitsOf(publicKey.getPublicSSH()) ?? rsaBits) < rsaBits;
  return {
    offers: all.filter((each) => !isWeak(each)),
    leftOut: [
      ...leftOut,
      ...all.filter(isWeak).map(({ label }) => `${label} (an RSA key of fewer than ${String(rsaBits)} bits)`),
    ],
  };
}

/** The offer for a key file: by the agent where it has the key; a text says why there is none. */
function pick(offer: KeyOffer | KeyProblem | undefined, inAgent: readonly KeyOffer[]): KeyOffer | string | undefined {
  if (offer === undefined) return undefined;
  const { publicKey } = offer;
  const held = publicKey && inAgent.find((each) => sameKey(each.publicKey, publicKey));
  if (held) return held;
  return 'problem' in offer ? `${offer.label} (${offer.problem})` : offer;
}
