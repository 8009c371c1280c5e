import type { RandomReader } from '../base/reader';
import type { OneTimeAgent } from './one-time-agent';

/**
 * What the engine needs of a node, whether it is reached by SSH or is this machine.
 *
 * A `NodeConnection` is a durable handle: it connects on first use and connects again on the next call after a lost link.
 * A call whose link drops rejects with code `link-lost`: its outcome is *unknown*, and the handle never repeats it by itself.
 */
export interface NodeConnection {
  readonly node: string;
  /** Runs a script; see `ExecRequest`. A non-zero exit is a result, not an error. */
  exec(request: ExecRequest): Promise<ExecResult>;
  /** Reads a file as the login user at any offset (over SFTP; locally by file handle). */
  openReader(path: string, signal?: AbortSignal): Promise<RandomReader>;
  /** Appends to a file as the login user; see `AppendRequest`. */
  append(request: AppendRequest): Promise<void>;
  /**
   * Algorithms that the connection uses only because the user's ssh_config allows them for this host, each with the
   * host that it is for. Known after the first call.
   */
  readonly oldAlgorithms?: readonly string[];
  /** The host key that was verified last, as base64; undefined before the first call, and where no SSH leads there. */
  readonly hostKey?: string | undefined;
  /** What it takes to pass a file on between this node and others; absent where no SSH leads there. */
  readonly peer?: Peer;
  close(): Promise<void>;
}

/** A node as one end of a transfer from node to node. */
export interface Peer {
  /** How another node logs in here as we did; undefined when it took more than a key. */
  login(signal: AbortSignal): Promise<PeerLogin | undefined>;
  /**
   * Runs a script as the login user on a connection of its own, where `ssh` may do this one login.
   * @throws ClusterliftError as `exec`; `relay-login` when `ssh` there was not let in
   */
  execWithLogin(request: ExecRequest & { readonly signal: AbortSignal }, login: PeerLogin): Promise<ExecResult>;
}

/** Our login at a node, to be repeated once by `ssh` on another one. The key stays here. */
export interface PeerLogin {
  readonly user: string;
  readonly port: number;
  /** `ssh-ed25519 AAAA…` as in known_hosts */
  readonly hostKey: string;
  /** An agent for one such login. */
  agent(): OneTimeAgent;
}

export interface ExecRequest {
  /** POSIX sh text, as bundled from a `.sh` file. It reaches the node through stdin, never through argv. */
  readonly script: string;
  /** `$1`, `$2`, …; quoted in one place, never pasted. Not for secrets: those go through `stdin`. */
  readonly args?: readonly string[];
  /** With the node's `become` (default), or as the login user. Without `become` both are the same. */
  readonly as?: 'root' | 'login';
  /** What the script finds on its stdin after it has started; ended afterwards. With it, the script has a shell of its own. */
  readonly stdin?: string | Uint8Array | AsyncIterable<Uint8Array>;
  /** Gets stdout as it comes; then `ExecResult.stdout` is empty. It is awaited: a slow reader slows the node down. */
  readonly onStdout?: (chunk: Buffer) => void | Promise<void>;
  /** Milliseconds from the start of the script; then code `node-timeout`. The channel is closed, the process may live on. */
  readonly timeout: number;
  /** Most bytes kept of stdout and of stderr; more is an error `node-output-too-long`. Default 4 MiB. */
  readonly maxOutput?: number;
  readonly signal?: AbortSignal;
}

export interface ExecResult {
  /** Null when it was ended by a signal. */
  readonly code: number | null;
  readonly signal: string | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface AppendRequest {
  readonly path: string;
  /** The size that the file must have now; anything else is refused with code `append-offset`. 0 creates it (mode 0600). */
  readonly offset: number;
  readonly source: AsyncIterable<Uint8Array>;
  /** Bytes handed to the transport so far, from `offset`. */
  readonly onProgress?: (bytes: number) => void;
  /** Rejects with `link-lost` when nothing moved for so long (milliseconds). */
  readonly idleTimeout: number;
  readonly signal?: AbortSignal;
}

/** The machine and account that a secret is for. What is kept for one is never given to another. */
export interface SecretTarget {
  /** The clusters.json that leads there. */
  readonly file: string;
  readonly cluster: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Fingerprint of the host key that was verified, where there is a connection already. */
  readonly hostKey?: string | undefined;
}

/** Questions that only a person can answer; without one, the answer is undefined. Design 7: they queue, one at a time. */
export type Question =
  | {
      readonly kind: 'host-key';
      readonly node: string;
      readonly host: string;
      readonly keyType: string;
      /** `SHA256:…` */
      readonly fingerprint: string;
    }
  | {
      readonly kind: 'password';
      readonly node: string;
      readonly user: string;
      readonly host: string;
      readonly retry: boolean;
      /** Absent: the answer is never kept. */
      readonly target?: SecretTarget | undefined;
    }
  | { readonly kind: 'passphrase'; readonly node: string; readonly file: string; readonly retry: boolean }
  | {
      readonly kind: 'become-password';
      readonly node: string;
      readonly user: string;
      readonly retry: boolean;
      readonly target?: SecretTarget | undefined;
    }
  | {
      readonly kind: 'otp';
      readonly node: string;
      readonly prompt: string;
      readonly echo: boolean;
      /** Why it is asked once more: the answer was wrong, or the server hung up before it had it. */
      readonly again?: 'refused' | 'hung-up' | undefined;
    }
  | {
      readonly kind: 'restic-password';
      readonly location: string;
      /** Its address, without any secret; absent: the answer is never kept. */
      readonly repository?: string | undefined;
    }
  | { readonly kind: 'url-auth'; readonly url: string }
  | { readonly kind: 'confirm'; readonly text: string; readonly typeName: string | undefined }
  | { readonly kind: 'decide'; readonly node: string; readonly text: string; readonly choices: readonly string[] };

export interface Asker {
  /** The text, `yes` for a confirmation, one of the choices; undefined: nobody there, or cancelled. */
  ask(question: Question, signal?: AbortSignal): Promise<string | undefined>;
}
