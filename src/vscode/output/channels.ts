import * as vscode from 'vscode';
import { after, type Timer } from '../../base/clock';
import { plain } from '../../base/text';
import { plainLines } from '../../terminal/plain';
import type { ClustersModel } from '../clusters/model';
import type { NodeTarget } from '../clusters/node-target';
import type { HubEvents, RunHub } from '../runs/hub';
import { setting } from '../shared/settings';
import { Store } from '../shared/store';
import { OutputBuffer } from './buffer';
import { nodeLog } from './node-log';

const { l10n } = vscode;

/** Milliseconds between two batches. */
const BATCH_MS = 100;
/** Bytes of a log that a new channel begins with. */
const SHOWN = 2 * 1024 * 1024;
/** UTF-16 units appended after which a channel is cleared: the editor keeps all that it was given. */
const MOST_IN_CHANNEL = 4 * 1024 * 1024;
const MOST_CHANNELS = 30;
const SMALL_CLUSTER = 20;

interface NodeChannel {
  readonly key: string;
  readonly channel: vscode.OutputChannel;
  readonly buffer: OutputBuffer;
  failed: boolean;
  /** The end of the log stands in it already: what comes now follows. */
  ready: boolean;
  size: number;
}

/** One output channel for the engine and one per node, bounded; a run never steals the focus. */
export class OutputChannels extends Store {
  /** In the order in which they were made. */
  readonly #nodes = new Map<string, NodeChannel>();
  /** Had to go for others: they come back when they fail or somebody wants to see them, not with every line. */
  readonly #gone = new Set<string>();
  #timer: Timer | undefined;

  constructor(
    hub: Pick<RunHub, 'onEvents'>,
    private readonly clusters: Pick<ClustersModel, 'labelOf'>,
    /** What is said of runs as a whole. */
    readonly engine: vscode.LogOutputChannel,
  ) {
    super();
    this.add(hub.onEvents((heard) => this.#take(heard)));
    this.add({
      dispose: () => {
        this.#timer?.cancel();
        for (const { channel } of this.#nodes.values()) channel.dispose();
        this.#nodes.clear();
      },
    });
  }

  /** The channels of nodes that there are, by label of the cluster and node, the oldest first. */
  get open(): readonly string[] {
    return [...this.#nodes.keys()];
  }

  /** Shows what a node said; the channel begins with the end of its log. */
  async show({ cluster: name, configFile, node, folder }: Omit<NodeTarget, 'ref'>): Promise<void> {
    const cluster = this.clusters.labelOf(name, configFile);
    const known = this.#nodes.get(keyOf(cluster, node));
    const shown = known ?? this.#make(cluster, node);
    if (!known) await this.#begin(shown, folder, node, `${l10n.t('No output from {0} yet.', node)}\n`);
    // Before it is shown: the editor hands on what it was given by then, and buffers what comes until it is seen.
    if (shown.ready) write(shown);
    shown.channel.show(true);
  }

  #take({ view, events, folder }: Pick<HubEvents, 'view' | 'events' | 'folder'>): void {
    const { nodes } = view.plan;
    const cluster = this.clusters.labelOf(view.plan.cluster, view.plan.configFile);
    const small = nodes.length <= SMALL_CLUSTER && setting('nodeOutputs') === 'auto';
    for (const event of events) {
      if (event.type === 'output') {
        this.#toRead(cluster, event.node, folder, small)?.buffer.add(event.text);
        continue;
      }
      if (event.type === 'progress') continue;
      const text = plainLines(event);
      if (text !== undefined) this.engine.info(`${cluster}: ${text}`);
      if (event.type === 'node.finished') this.#finished(cluster, event.node, folder, event.outcome === 'failed');
    }
    this.#later();
  }

  /** The channel for the output of a node; made at the first output in small clusters. */
  #toRead(cluster: string, node: string, folder: string, small: boolean): NodeChannel | undefined {
    const key = keyOf(cluster, node);
    const known = this.#nodes.get(key);
    if (known || !small || this.#gone.has(key)) return known;
    return this.#openFor(cluster, node, folder);
  }

  #finished(cluster: string, node: string, folder: string, failed: boolean): void {
    const known = this.#nodes.get(keyOf(cluster, node));
    // A last line without an end is a line.
    known?.buffer.flush();
    if (!failed) return;
    const channel = known ?? this.#openFor(cluster, node, folder);
    if (channel) channel.failed = true;
  }

  /** Nobody asked for it: it takes no place of one that failed. */
  #openFor(cluster: string, node: string, folder: string): NodeChannel | undefined {
    const full = this.#nodes.size >= MOST_CHANNELS;
    if (full && [...this.#nodes.values()].every(({ failed }) => failed)) return undefined;
    const made = this.#make(cluster, node);
    void this.#begin(made, folder, node, '');
    return made;
  }

  #make(cluster: string, node: string): NodeChannel {
    const key = keyOf(cluster, node);
    this.#makeRoom();
    const channel = vscode.window.createOutputChannel(`Clusterlift: ${key}`);
    const made = { key, channel, buffer: new OutputBuffer(), failed: false, ready: false, size: 0 };
    this.#nodes.set(key, made);
    this.#gone.delete(key);
    return made;
  }

  /** Puts the end of the log into a new channel; the log has what was said until now. */
  async #begin(made: NodeChannel, folder: string | undefined, node: string, otherwise: string): Promise<void> {
    await Promise.resolve();
    made.buffer.flush();
    const before = made.buffer.take().text;
    const log = folder === undefined ? '' : plain(await nodeLog(folder, node, SHOWN));
    const text = log === '' ? before || otherwise : log;
    if (this.#nodes.get(made.key) !== made) return;
    made.channel.append(text);
    made.size = text.length;
    made.ready = true;
    this.#later();
  }

  /** The oldest that did not fail goes. */
  #makeRoom(): void {
    if (this.#nodes.size < MOST_CHANNELS) return;
    const all = [...this.#nodes.values()];
    const goes = all.find(({ failed }) => !failed) ?? all[0];
    if (!goes) return;
    goes.channel.dispose();
    this.#nodes.delete(goes.key);
    this.#gone.add(goes.key);
  }

  #later(): void {
    this.#timer ??= after(BATCH_MS, () => {
      this.#timer = undefined;
      for (const node of this.#nodes.values()) if (node.ready) write(node);
    });
  }
}

function write(node: NodeChannel): void {
  const { buffer, channel } = node;
  if (buffer.empty) return;
  const { skipped, text } = buffer.take();
  if (node.size > MOST_IN_CHANNEL) {
    channel.replace(`${l10n.t('… For the full log, use Open Node Log.')}\n`);
    node.size = 0;
  }
  const left = l10n.t('… {0} lines left out. For the full log, use Open Node Log.', skipped);
  channel.append(skipped > 0 ? `${left}\n${text}` : text);
  node.size += text.length;
}

function keyOf(cluster: string, node: string): string {
  return `${cluster}/${node}`;
}
