import type { ClusterRef } from './model';

/** A node of a cluster, with the run that it is looked at in. */
export interface NodeTarget {
  readonly cluster: string;
  readonly configFile: string;
  readonly node: string;
  /** Folder of the run whose log is meant; undefined: there is none. */
  readonly folder: string | undefined;
  readonly ref: ClusterRef | undefined;
}
