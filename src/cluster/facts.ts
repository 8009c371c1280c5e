/** What a node says about itself, asked for in one go before a plan is made. All text is bounded and printable. */
export interface NodeFacts {
  readonly node: string;
  readonly hostname: string;
  /** As `uname -m`: `x86_64`, `aarch64`, … */
  readonly arch: string;
  readonly kernel: string;
  readonly os: OsFacts;
  readonly bootId: string;
  /** The node's clock, milliseconds since 1970, and ours in the middle of the exchange; see `clockSkew`. */
  readonly clock: { readonly node: number; readonly here: number; readonly uncertainty: number };
  /** The login user. */
  readonly login: { readonly user: string; readonly home: string };
  /** Are our commands (with `become`) root there? */
  readonly root: boolean;
  readonly systemd: boolean;
  /** Sessions that end take their processes along (logind); matters only without root. */
  readonly killsUserProcesses: boolean;
  readonly state: StateFacts;
  /** Free space at the paths that were asked for. */
  readonly space: readonly PathSpace[];
  /** Which of the commands that were asked for are there. */
  readonly commands: Readonly<Record<string, boolean>>;
  readonly tar: TarFacts;
  readonly requests: readonly RequestFacts[];
  readonly products: readonly ProductFacts[];
  readonly packages: readonly StagedPackage[];
  /** Jobs that were begun and did not come to an end yet, or never will. */
  readonly openJobs: readonly { readonly id: string; readonly run: string; readonly state: OpenJobState }[];
  /** Runs whose files are there and that are not closed. */
  readonly openRuns: readonly string[];
  /** `<epoch> <run>` of the run that last began to change something there; undefined: none that said so. */
  readonly changed?: string | undefined;
  /** The run that locked the node last; undefined: none ever did. */
  readonly lastClaim?: string | undefined;
}

export type OpenJobState = 'unclaimed' | 'running' | 'dead' | 'other-boot';

export interface OsFacts {
  /** `debian`, `rhel`, …: ID of os-release(5). */
  readonly id: string;
  /** ID_LIKE: whose packages fit, too. */
  readonly like: readonly string[];
  /** VERSION_ID; empty for rolling ones. */
  readonly version: string;
  /** PRETTY_NAME. */
  readonly name: string;
}

export interface StateFacts {
  /** The state directory, resolved. */
  readonly path: string;
  readonly exists: boolean;
  /** Inode of the state directory, or of the nearest directory above it that is there; empty: not known. */
  readonly inode?: string;
  /** It exists and belongs to another user than the one that we are there. */
  readonly foreign: boolean;
  readonly noexec: boolean;
  readonly readOnly: boolean;
}

export interface PathSpace {
  readonly path: string;
  /** Bytes that we can use on the file system where the path lies, or would lie. */
  readonly free: number;
  /** Mount point: paths with the same one share their space. */
  readonly mount: string;
}

export interface TarFacts {
  readonly kind: 'gnu' | 'bsd' | 'busybox' | 'other' | 'none';
  readonly version: string;
  readonly posix: boolean;
  readonly acls: boolean;
  readonly xattrs: boolean;
}

export interface RequestFacts {
  readonly kind: 'provision' | 'reboot';
  readonly run: string;
  readonly node: string;
  /** Seconds since 1970. */
  readonly time: number;
}

export interface ProductFacts {
  readonly product: string;
  /** Text of record.json and manifest.json as they lie there; undefined: none. To be checked by the reader. */
  readonly record: string | undefined;
  readonly manifest: string | undefined;
  /** Directory of the scripts that were kept; undefined: none. */
  readonly files: string | undefined;
}

export interface StagedPackage {
  readonly sha256: string;
  /** Bytes of the whole, checked image; undefined: it is not whole yet. */
  readonly size: number | undefined;
  /** Bytes that arrived of an image that is not whole. */
  readonly part: number;
  readonly unpacked: boolean;
}

/** Milliseconds that the node's clock surely differs from ours: the time that the question itself took is given to it. */
export function clockSkew({ clock }: NodeFacts): number {
  const apart = clock.node - clock.here;
  const sure = Math.max(0, Math.abs(apart) - clock.uncertainty);
  return apart < 0 && sure > 0 ? -sure : sure;
}
