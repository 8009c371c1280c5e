import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { NotificationType, ParameterStructures, RequestType, RequestType0 } from 'vscode-jsonrpc';
import type { ErrorRecord, JournalEntry, LiveEvent, NodeResult, RunOutcome } from '../engine/journal/events';
import type { Plan } from '../engine/journal/plan';
import type { Question } from '../ssh/connection';

/**
 * What is spoken on the control socket of a run (docs/architecture.md): JSON-RPC 2.0 as vscode-jsonrpc frames it.
 * First both sides prove that they know the token of `control.json`, which itself never crosses; until then nothing else is heard.
 * `hello`, `prove` and `stop` stay as they are in every version: a client of another major version may use those only.
 */
export const PROTOCOL = { major: 1, minor: 0 } as const;
export const PROTOCOL_VERSION = `${String(PROTOCOL.major)}.${String(PROTOCOL.minor)}`;

export interface Hello {
  readonly version: string;
  /** 32 random bytes, hexadecimal. */
  readonly nonce: string;
}

export interface HelloReply extends Hello {
  /** HMAC of the server; see `proofOf`. */
  readonly proof: string;
}

export interface Welcome {
  /** The versions differ too much: only `stop` is heard. */
  readonly limited: boolean;
}

/** State of a run beyond plan and journal. */
export interface RunStatus {
  readonly run: string | null;
  readonly pid: number;
  readonly followers: number;
  /** The question that waits for a person, in words. */
  readonly waitingFor: string | null;
}

export interface Followed {
  /** Null: the run is still being planned; `planned` follows. */
  readonly plan: Plan | null;
  /** The folder of the run, with its logs. */
  readonly folder: string | null;
  /** Number of the last journal line there is; all from `fromSeq` on follow as events. */
  readonly seq: number;
}

/** How it ended, for a follower. A run that was refused before it began has no `outcome` in a journal; this tells why. */
export interface RunEnd {
  readonly outcome: RunOutcome;
  readonly status: number;
  readonly nodes: Readonly<Record<string, NodeResult>>;
  readonly error: (ErrorRecord & { readonly node?: string; readonly step?: string }) | null;
}

export interface OpenQuestion {
  readonly id: string;
  readonly question: Question;
}

/** What the process of a run is to do: the words of the command line. */
export interface RunRequest {
  readonly argv: readonly string[];
  /** Where relative paths of the words are meant. */
  readonly cwd: string;
  /** Secrets by name (`ssh-password`, …): kept in memory only, as long as the run. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Who asks: `user@host`. */
  readonly by: string;
}

const one = ParameterStructures.byName;

export const HelloRequest = new RequestType<Hello, HelloReply, undefined>('hello', one);
export const ProveRequest = new RequestType<{ readonly proof: string }, Welcome, undefined>('prove', one);
export const StopRequest = new RequestType<{ readonly by: string }, null, undefined>('stop', one);
export const StatusRequest = new RequestType0<RunStatus, undefined>('status');
export const FollowRequest = new RequestType<{ readonly fromSeq: number }, Followed, undefined>('follow', one);
/** Only to the process of a run that was just started: its first message. */
export const BeginRequest = new RequestType<RunRequest, null, undefined>('begin', one);
export const AnswerRequest = new RequestType<
  { readonly id: string; readonly answer: string | null },
  { readonly accepted: boolean },
  undefined
>('answer', one);

export const PlannedNotification = new NotificationType<{ readonly plan: Plan; readonly folder: string }>(
  'planned',
  one,
);
/** What the run says to people before there is a plan: which package was chosen and why, the report of the checks. */
export const SaidNotification = new NotificationType<{ readonly lines: readonly string[] }>('said', one);
export const EventsNotification = new NotificationType<{ readonly events: readonly (JournalEntry | LiveEvent)[] }>(
  'events',
  one,
);
/** From the run, its last word. A request, because the answer proves that all before it was heard before the socket is closed. */
export const EndedRequest = new RequestType<RunEnd, null, undefined>('ended', one);
export const QuestionOpened = new NotificationType<OpenQuestion>('question.opened', one);
export const QuestionClosed = new NotificationType<{ readonly id: string }>('question.closed', one);

/** Numbers of JSON-RPC errors that are ours (outside of the reserved range). */
export const RpcError = { wrongProof: 1, otherVersion: 2, notNow: 3 } as const;

/** 256 bits, hexadecimal. */
export function newToken(): string {
  return randomBytes(32).toString('hex');
}

export type Side = 'client' | 'server';

/**
 * The proof of a side: HMAC-SHA256 over its name, both nonces and both versions, keyed with the token (RFC 2104).
 * The names keep one side's proof from being played back as the other's.
 */
export function proofOf(side: Side, token: string, client: Hello, server: Hello): string {
  const text = ['clusterlift control', side, client.version, client.nonce, server.version, server.nonce].join('\n');
  return createHmac('sha256', Buffer.from(token, 'hex')).update(text).digest('hex');
}

export function proves(proof: unknown, expected: string): boolean {
  if (typeof proof !== 'string') return false;
  const [given, wanted] = [Buffer.from(proof), Buffer.from(expected)];
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

/** The part of a version that must be the same; undefined when it is none. */
export function majorOf(version: unknown): number | undefined {
  const match = typeof version === 'string' ? /^(\d{1,6})\.\d{1,6}$/.exec(version) : null;
  return match ? Number(match[1]) : undefined;
}
