/** A cluster as the rest of the program sees it: checked, complete, with defaults filled in. Made by the loader only. */

export type Become = 'none' | 'sudo' | 'doas';
export type Mode = 'serial' | 'fast';
export type OnFailure = 'stop' | 'continue' | 'rollback';

export interface NodeModel {
  readonly name: string;
  /** `local`: this machine, no SSH involved. */
  readonly connection: 'ssh' | 'local';
  readonly host: string;
  readonly port: number | undefined;
  readonly user: string | undefined;
  readonly identityFile: string | undefined;
  readonly become: Become;
  /** Name of a node of the cluster, or an SSH host; undefined: reached directly. */
  readonly jump: string | undefined;
  readonly roles: readonly string[];
  /** How other nodes reach it; `host` unless said otherwise. */
  readonly address: string;
  /** Undefined: the default of docs/on-a-node.md, found out on the node. */
  readonly stateDir: string | undefined;
}

export interface UpgradeDefaults {
  readonly mode: Mode;
  readonly backup: string;
  readonly batch: readonly string[] | undefined;
  /** A number, or a percentage such as `25%`. */
  readonly maxFailures: string;
  readonly onFailure: OnFailure;
  /** Milliseconds a node must stay healthy; undefined: the manifest's. */
  readonly healthStable: number | undefined;
  /** Milliseconds; a part that is older when its node is stopped is taken once more. */
  readonly backupMaxAge: number | undefined;
  /** Lines as `parseSigner` reads them. */
  readonly trustedSigners: readonly string[];
  /** Such lines, or fingerprints. */
  readonly revokedSigners: readonly string[];
  readonly requireSignature: boolean;
}

export interface Recipe {
  readonly run: string;
  readonly version: string;
}

export interface BackupPaths {
  readonly paths: readonly string[];
  readonly exclude: readonly string[];
}

export interface Cluster {
  readonly name: string;
  /** The file that it comes from. */
  readonly file: string;
  readonly nodes: readonly NodeModel[];
  readonly primary: string;
  /** Beats the manifest's; undefined: the manifest's, else file order. */
  readonly roleOrder: readonly string[] | undefined;
  readonly packageDirs: readonly string[];
  readonly production: boolean;
  readonly upgrade: UpgradeDefaults;
  readonly backup: BackupPaths | undefined;
  readonly recipe: Recipe | undefined;
}

export interface BackupLocation {
  readonly name: string;
  readonly uri: string;
}

export interface ClustersFile {
  readonly path: string;
  readonly clusters: readonly Cluster[];
  /** As in the file, without the built-in `localbackup`. */
  readonly locations: readonly BackupLocation[];
}
