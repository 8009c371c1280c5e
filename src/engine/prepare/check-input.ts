import type { ClusterliftError } from '../../base/errors';
import type { NodeFacts } from '../../cluster/facts';
import type { Cluster, NodeModel } from '../../cluster/model';
import type { Manifest } from '../../package/manifest';
import type { ScriptStart } from '../../package/script-start';
import type { QuickResult } from '../../ssh/exec/quick-script';
import type { HeldLock } from '../node/lock';
import type { TwinKind } from '../node/twins';
import type { AskedInstalled } from './ask-installed';

/** What is known of a node before the run: its facts and what the package's scripts said, or why it could not be asked. */
export interface NodeProbe {
  readonly model: NodeModel;
  readonly error: ClusterliftError | undefined;
  readonly facts: NodeFacts | undefined;
  readonly lock: HeldLock | undefined;
  /** SSH algorithms in use that only the user's ssh_config allows, each with its host. */
  readonly oldAlgorithms?: readonly string[];
  /** Key of the host that answered, as in known_hosts; undefined: no SSH leads there. */
  readonly hostKey?: string | undefined;
  /** It was proven to be the same machine, or to have the same state directory, as a node before it. */
  readonly twin?: { readonly of: string; readonly kind: TwinKind };
  /** Undefined: not installed, or it could not be asked. */
  readonly version: string | undefined;
  readonly versionError: ClusterliftError | undefined;
  readonly check: QuickResult | undefined;
  /** Asked only where the version is the target already. */
  readonly healthy: boolean | undefined;
  /** What the last upgrade left, asked; undefined: nothing, or it was not asked. */
  readonly installed?: AskedInstalled | undefined;
}

export interface CheckedPackage {
  readonly product: string;
  readonly version: string;
  readonly sha256: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly manifest: Manifest;
  readonly unvouched: boolean;
  /** How its scripts are started. */
  readonly starts: readonly ScriptStart[];
}

export interface CheckInput {
  readonly cluster: Cluster;
  readonly probes: readonly NodeProbe[];
  readonly package: CheckedPackage | undefined;
  readonly backup: string;
  /** The primary is not among the nodes of the run. */
  readonly primaryLeftOut: boolean;
  readonly overrides: readonly string[];
}
