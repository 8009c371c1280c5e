import type { RandomReader } from '../../base/reader';
import type { Manifest } from '../../package/manifest';
import type { ExtraFile } from '../../package/recipe';
import type { ScriptFile } from '../../ssh/exec/quick-script';
import type { UnpackPlan } from '../../package/unpack-plan';
import type { FileOnPrimary, PackageSource } from '../journal/plan';

/** The package of a run: its manifest, its digest, and a way to its bytes for as long as a node lacks them. */
export interface RunPackage {
  readonly product: string;
  readonly version: string;
  readonly sha256: string;
  /** Bytes of the image. */
  readonly size: number;
  readonly manifest: Manifest;
  /** The JSON value that the manifest was read from. */
  readonly manifestValue: unknown;
  /** Paths in the image of the scripts and what lies beside them: kept on a node for status and provision. */
  scriptPaths(): Promise<readonly string[]>;
  /**
   * Where its files lie on a node: unpacked from an image that is brought there, as the last upgrade left them,
   * or with the run, when they come from a restore point.
   */
  readonly place: 'packages' | 'installed' | 'run';
  /** The node where the image lies, when it lies on one. */
  readonly onNode: PackageOnNode | undefined;
  /** Opens the whole, verified image; the caller closes its reader. */
  open(): Promise<PackageContent>;
  /** Every node has the image: removes what was only kept here for that. */
  spent?(): Promise<void>;
  /** The scripts and what lies beside them, for nodes that do not have the package. */
  scriptFiles(): Promise<readonly ScriptFile[]>;
  /**
   * The package as one node has it; undefined: that node has none. Absent: it is the same for all nodes. What a node keeps,
   * or kept when its part of a restore point was taken, is for that node only.
   */
  on?(node: string): RunPackage | undefined;
}

/** The package as a node has it. */
export function packageOn(pkg: RunPackage | undefined, node: string): RunPackage | undefined {
  return pkg?.on ? pkg.on(node) : pkg;
}

/** One package of many, each for its own node; `first` names the node that stands for the cluster. */
export function packageOfEach(own: ReadonlyMap<string, RunPackage>, first: string): RunPackage | undefined {
  const [any] = own.values();
  const base = own.get(first) ?? any;
  return base && { ...base, on: (node) => own.get(node) };
}

export interface PackageOnNode extends FileOnPrimary {
  /** The node downloaded it for us: it is removed when it is no longer needed. */
  readonly fetched: boolean;
}

export function onNodeOf(source: PackageSource): PackageOnNode | undefined {
  if (source.kind === 'node') return { node: source.node, path: source.path, fetched: false };
  if (source.kind === 'url' && source.on) return { ...source.on, fetched: true };
  return undefined;
}

/** An opened image and how it is unpacked. */
export interface PackageContent {
  readonly reader: RandomReader;
  readonly unpack: UnpackPlan;
  readonly extra: readonly ExtraFile[];
}
