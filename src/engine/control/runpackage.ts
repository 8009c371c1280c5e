import type { RandomReader } from '../../base/reader';
import type { Manifest } from '../../package/manifest';
import type { ExtraFile } from '../../package/recipe';
import type { ScriptFile } from '../../ssh/exec/quick-script';
import type { UnpackPlan } from '../../package/unpack-plan';
import type { FileOnPrimary, PackageSource } from '../journal/plan';

/** What a run always knows of a package: what it is, and its scripts. */
interface KnownPackage {
  readonly product: string;
  readonly version: string;
  readonly manifest: Manifest;
  /** The JSON value that the manifest was read from. */
  readonly manifestValue: unknown;
  /** Paths in the image of the scripts and what lies beside them: kept on a node for status and provision. */
  scriptPaths(): Promise<readonly string[]>;
  /** The scripts and what lies beside them, for nodes that do not have the package. */
  scriptFiles(): Promise<readonly ScriptFile[]>;
}

/** A package with its image, which is staged on the nodes and unpacked there. The same for all nodes. */
export interface Image extends KnownPackage {
  readonly place: 'packages';
  readonly sha256: string;
  /** Bytes of the image. */
  readonly size: number;
  /** The node where the image lies, when it lies on one. */
  readonly onNode: PackageOnNode | undefined;
  /** Opens the whole, verified image; the caller closes its reader. */
  open(): Promise<PackageContent>;
  /** Every node has the image: removes what was only kept here for that. */
  spent?(): Promise<void>;
}

/** The scripts of a package without its image: what a node keeps of its last upgrade, or what a restore point holds. */
export interface Scripts extends KnownPackage {
  /** Where the files lie on a node: as the last upgrade left them, or with the run, when they come from a restore point. */
  readonly place: 'installed' | 'run';
  /** Digest of the image that they came from; undefined: the restore point does not name it. */
  readonly sha256: string | undefined;
  /**
   * The scripts that one node has; undefined: that node has none. Absent: they are the same for all nodes. What a node keeps,
   * or kept when its part of a restore point was taken, is for that node only.
   */
  on?(node: string): Scripts | undefined;
}

/** What the scripts of a run come from. Only an `Image` can be staged. */
export type RunPackage = Image | Scripts;

/** The package as a node has it. */
export function packageOn<P extends RunPackage>(pkg: P | undefined, node: string): P | Scripts | undefined {
  return pkg?.place !== 'packages' && pkg?.on ? pkg.on(node) : pkg;
}

/** The scripts of many nodes, each its own; `first` names the node that stands for the cluster. */
export function scriptsOfEach(own: ReadonlyMap<string, Scripts>, first: string): Scripts | undefined {
  const [any] = own.values();
  const base = own.get(first) ?? any;
  return base && { ...base, on: (node) => own.get(node) };
}

/** The digest as plans and the records of nodes hold it, which have no word for an unknown one: 64 zeros. */
export function recordedDigest({ sha256 }: Pick<RunPackage, 'sha256'>): string {
  return sha256 ?? '0'.repeat(64);
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
