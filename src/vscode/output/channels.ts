import * as vscode from 'vscode';
import { plain } from '../../base/text';
import { plainLines } from '../../command/terminal/plain';
import type { HubEvents, RunHub } from '../runs/hub';
import { nodeLog } from '../runs/session';
import { setting } from '../settings';
import { Store } from '../store';
import { OutputBuffer } from './buffer';

const { l10n } = vscode;

/** Milliseconds between two batches. */
const BATCH_MS = 100;
/** Bytes of a log that a new channel begins with. */
const SHOWN = 2 * 1024 * 1024;
/** UTF-16 units appended after which a channel begins anew: the editor keeps all that it was given. */
const MOST_IN_CHANNEL = 4 * 1024 * 1024;
const MOST_CHANNELS = 30;
const SMALL_CLUSTER = 20;

interface NodeChannel {
  readonly key: string;
  readonly channel: vscode.OutputChannel;
  readonly buffer: OutputBuffer;
  failed: boolean;
  size: number;
}

/** One output channel for the engine and one per node, bounded; a run never steals the focus. */
export class OutputChannels extends Store {
  readonly engine = this.add(vscode.window.createOutputChannel('Clusterlift', { log: true }));
  /** In the order of their last use. */
  readonly #nodes = new Map<string, NodeChannel>();
  #timer: NodeJS.Timeout | undefined;

  constructor(hub: RunHub) {
    super();
    this.add(hub.onEvents((heard) => this.#take(heard)));
    this.add({
      dispose: () => {
        clearTimeout(this.#timer);
        for (const { channel } of this.#nodes.values()) channel.dispose();
      },
    });
  }

  /** How many channels of nodes there are. */
  get count(): number {
    return this.#nodes.size;
  }

  /** Shows what a node said; the channel begins with the end of its log. */
  async show(cluster: string, node: string, folder: string | undefined): Promise<void> {
    const key = keyOf(cluster, node);
    const known = this.#nodes.get(key);
    if (known) {
      known.channel.show(true);
      return;
    }
    const made = this.#open(cluster, node);
    const text = folder === undefined ? '' : plain(await nodeLog(folder, node, SHOWN));
    made.channel.append(text === '' ? `${l10n.t('{0} has said nothing yet.', node)}\n` : text);
    made.size += text.length;
    made.channel.show(true);
  }

  #take({ view, events, folder }: HubEvents): void {
    const { cluster, nodes } = view.plan;
    const small = nodes.length <= SMALL_CLUSTER && setting('nodeOutputs') === 'auto';
    for (const event of events) {
      if (event.type === 'output') {
        const known =
          this.#nodes.get(keyOf(cluster, event.node)) ?? (small ? this.#open(cluster, event.node) : undefined);
        known?.buffer.add(event.text);
        continue;
      }
      if (event.type === 'progress') continue;
      const text = plainLines(event);
      if (text !== undefined) this.engine.info(`${cluster}: ${text}`);
      if (event.type === 'node.finished' && event.outcome === 'failed') void this.#failed(cluster, event.node, folder);
    }
    this.#later();
  }

  async #failed(cluster: string, node: string, folder: string): Promise<void> {
    const known = this.#nodes.get(keyOf(cluster, node));
    if (known) {
      known.failed = true;
      return;
    }
    const made = this.#open(cluster, node);
    made.failed = true;
    made.channel.append(plain(await nodeLog(folder, node, SHOWN)));
  }

  #open(cluster: string, node: string): NodeChannel {
    const key = keyOf(cluster, node);
    this.#makeRoom();
    const channel = vscode.window.createOutputChannel(`Clusterlift: ${key}`);
    const made = { key, channel, buffer: new OutputBuffer(), failed: false, size: 0 };
    this.#nodes.set(key, made);
    return made;
  }

  /** The oldest that did not fail goes. */
  #makeRoom(): void {
    if (this.#nodes.size < MOST_CHANNELS) return;
    const all = [...this.#nodes.values()];
    const goes = all.find(({ failed }) => !failed) ?? all[0];
    if (!goes) return;
    goes.channel.dispose();
    this.#nodes.delete(goes.key);
  }

  #later(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      for (const node of this.#nodes.values()) write(node);
    }, BATCH_MS);
  }
}

function write(node: NodeChannel): void {
  const { buffer, channel } = node;
  if (buffer.empty) return;
  const { skipped, text } = buffer.take();
  if (skipped > 0) channel.appendLine(l10n.t('… {0} lines left out; the whole log: Open Node Log', skipped));
  if (node.size > MOST_IN_CHANNEL) {
    channel.replace(`${l10n.t('… the whole log: Open Node Log')}\n`);
    node.size = 0;
  }
  channel.append(text);
  node.size += text.length;
}

function keyOf(cluster: string, node: string): string {
  return `${cluster}/${node}`;
}
