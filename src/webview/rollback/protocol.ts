/** What the page of Roll Back and the extension say to each other. The page only proposes: the extension looks everything up again by id. */

export interface PagePoint {
  readonly location: string;
  readonly id: string;
  /** All text is ready to be shown: plain, bounded, in the person's language. */
  readonly time: string;
  readonly age: string;
  readonly reason: string;
  readonly package: string;
  readonly versions: string;
  readonly size: string;
  readonly state: string;
  readonly verified: boolean;
  /** Why it cannot be chosen; undefined: it can. */
  readonly obstacle: string | undefined;
  readonly nodes: readonly {
    readonly name: string;
    readonly now: string;
    readonly after: string;
    readonly state: string;
  }[];
  /** Sentences. */
  readonly lost: readonly string[];
  /** In which order the nodes go back. */
  readonly order: string;
  /** The nodes are being asked what would happen. */
  readonly asking: boolean;
  readonly expected: string;
}

/** Texts of the page by key; the page holds none itself. */
export type Words = Readonly<Record<WordKey, string>>;
export type WordKey =
  | 'title'
  | 'intro'
  | 'filter'
  | 'refresh'
  | 'points'
  | 'choose'
  | 'time'
  | 'reason'
  | 'package'
  | 'versions'
  | 'size'
  | 'location'
  | 'state'
  | 'details'
  | 'nothingChosen'
  | 'node'
  | 'now'
  | 'after'
  | 'lost'
  | 'order'
  | 'asking'
  | 'expected'
  | 'verify'
  | 'rollBack'
  | 'loading'
  | 'none'
  | 'noMatch'
  | 'shown';

export interface PageState {
  readonly words: Words;
  readonly cluster: string;
  readonly loading: boolean;
  readonly errors: readonly string[];
  readonly points: readonly PagePoint[];
  /** Somebody asked for it elsewhere: to be chosen. */
  readonly preselect: PointKey | undefined;
}

export interface PointKey {
  readonly location: string;
  readonly id: string;
}

export interface ToPage {
  readonly type: 'state';
  readonly state: PageState;
}
export type FromPage =
  | { readonly type: 'ready' }
  | { readonly type: 'refresh' }
  | ({ readonly type: 'choose' | 'verify' | 'rollBack' } & PointKey);

/** What the editor keeps for the page over a reload. */
export interface KeptState {
  readonly cluster: string;
  readonly selected: PointKey | undefined;
  readonly filter: string;
}
