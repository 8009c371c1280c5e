import { ClusterliftError, messageOf } from '../../base/errors';
import type { RunContext } from '../control/context';
import { fetchFromNode, type Serving } from '../node/relay';
import type { Image } from '../control/runpackage';

/** Where on a node the image is, or the part of it that came so far: the first that is there. */
type Place = readonly string[];

/**
 * `--distribution relay`: the image goes from here to one node, and each next one follows the growing file of the one
 * before. Every node proves the digest of what it has, so this is only a way for bytes: where it breaks, the node gets the
 * rest from here.
 */
export class Relay {
  private readonly places = new Map<
    string,
    { promise: Promise<Place | undefined>; settle: (place: Place | undefined) => void }
  >();
  /** Nodes that get the rest from here. */
  private readonly broken = new Set<string>();
  private readonly relayed = new Set<string>();
  private readonly order: readonly string[];

  /** @param nodes those that get the image, in order */
  constructor(
    private readonly ctx: RunContext,
    private readonly image: Image,
    nodes: readonly string[],
  ) {
    const first = image.onNode?.node;
    const known = ctx.plan.nodes.some((node) => node.name === first);
    this.order = first !== undefined && known ? [first, ...nodes.filter((each) => each !== first)] : nodes;
    for (const node of this.order) {
      let settle: (place: Place | undefined) => void = () => undefined;
      const promise = new Promise<Place | undefined>((resolve) => {
        settle = resolve;
      });
      this.places.set(node, { promise, settle });
    }
    // It lies there before anything is staged.
    if (first !== undefined && known && image.onNode) this.serves(first, [image.onNode.path]);
  }

  /** From now on the next node may follow this one. The first word counts; without a place it can give nothing. */
  serves(node: string, place: Place | undefined): void {
    this.places.get(node)?.settle(place);
  }

  /**
   * Tries to transfer the rest of a part from the nodes before.
   * @returns false: there is none that could give it; transfer it from here
   * @throws RelayBroken it began, and how much came is not known; from then on the answer is false
   */
  async transfer(
    node: string,
    part: { readonly path: string; readonly offset: number },
    onProgress: (bytes: number) => void,
  ): Promise<boolean> {
    const { ctx, image } = this;
    const { peer } = ctx.connection(node);
    if (peer === undefined || this.broken.has(node) || part.offset >= image.size) return false;
    const found = await this.before(node);
    if (!found) return false;
    this.relayed.add(node);
    try {
      // A login that asks for more than a key is not repeated behind a person's back.
      if (!(await peer.login(ctx.signal))) return false;
      const { from } = found;
      const request = { from, ...part, size: image.size, onProgress, signal: ctx.signal };
      await fetchFromNode({ node, peer }, request);
      return true;
    } catch (error) {
      ctx.signal.throwIfAborted();
      if (!(error instanceof ClusterliftError)) throw error;
      this.broken.add(node);
      const message = `The package did not come from ${found.name} (${messageOf(error)}); the rest comes from here`;
      await ctx.record({ type: 'warning', node, code: 'relay-broken', message });
      throw new RelayBroken();
    }
  }

  /** The next try comes from here. @returns did anything come from another node? */
  distrust(node: string): boolean {
    this.broken.add(node);
    return this.relayed.delete(node);
  }

  /** The nearest node before this one that can be read. */
  private async before(node: string): Promise<{ readonly name: string; readonly from: Serving } | undefined> {
    const { ctx } = this;
    for (const name of this.order.slice(0, Math.max(0, this.order.indexOf(node))).reverse()) {
      const place = await this.places.get(name)?.promise;
      if (!place) continue;
      const login = await ctx
        .connection(name)
        .peer?.login(ctx.signal)
        .catch(() => undefined);
      ctx.signal.throwIfAborted();
      if (login) return { name, from: { login, address: ctx.node(name).model.address, paths: place } };
    }
    return undefined;
  }
}

/** How far it came is to be looked up on the node. */
export class RelayBroken extends Error {}
