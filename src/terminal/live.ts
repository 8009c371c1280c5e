import { formatDuration, formatSize } from '../base/units';
import { versionNow } from '../engine/journal/versions-now';
import { currentStep, type NodeView, type Progress, type RunView } from '../engine/journal/view';
import { glyphs, paint, tone, widthOf, type Theme, type Part } from './theme';
import { cells, cut, pad } from './width';
import {
  between,
  countWords,
  doingAny,
  glyphOf,
  nodeWords,
  PHASE,
  versionsOf,
  type NodeWords,
  type Standing,
} from './words';

export interface LiveTheme extends Theme {
  /** Of the terminal; the block is never taller than this less 3. */
  readonly rows: number;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** A question that somebody else is asked. */
  readonly waitingFor?: string | undefined;
}

interface Line {
  readonly node: NodeView;
  readonly state: NodeWords;
}

/** Rows that the block leaves free: what is above it stays readable, and the cursor has a line of its own. */
const FREE_ROWS = 3;
const FRAME_MS = 120;

/** The live block: a header, a line per node, and one line that counts the nodes for which there is no room. */
export function renderLive(view: RunView, theme: LiveTheme): string[] {
  const room = Math.max(0, theme.rows - FREE_ROWS);
  const planned = new Map(view.plan.nodes.map((node) => [node.name, node]));
  const lines = view.plan.nodes.flatMap((each): Line[] => {
    const node = Object.hasOwn(view.nodes, each.name) ? view.nodes[each.name] : undefined;
    return node ? [{ node, state: nodeWords(view, node, planned.get(each.name)) }] : [];
  });
  const cluster = [
    ...(view.progress ? [clusterProgress(view.progress, theme)] : []),
    ...(theme.waitingFor === undefined
      ? []
      : [paint([tone('warn', '? waiting for your input: '), theme.waitingFor], theme)]),
  ];
  const fixed = 1 + cluster.length;
  const { shown, folded } = choose(lines, room - fixed);
  const widths = nodeWidths(shown, theme);
  return [
    header(view, lines, theme),
    ...cluster,
    ...shown.map((line) => nodeLine(view, line, widths, theme)),
    ...(folded.length > 0 ? [foldLine(folded, shown.length > 0, theme)] : []),
  ].slice(0, room);
}

/** Before there is a run: what is being done, so that a person sees that something is. */
export function renderBusy(what: string, since: number, progress: Progress | undefined, theme: LiveTheme): string[] {
  if (progress) return [clusterProgress(progress, theme)];
  const { spinner, ellipsis } = glyphs(theme);
  const mark = spinner[Math.floor(theme.now / FRAME_MS) % spinner.length] ?? '*';
  const elapsed = theme.now - since < 1000 ? '' : `  ${formatDuration(theme.now - since)}`;
  return [paint([tone('accent', mark), ' ', what, ellipsis, tone('dim', elapsed)], theme)];
}

const INTEREST: Readonly<Record<Standing, number>> = { failed: 0, unknown: 1, running: 2, waiting: 3, finished: 4 };

/** Which nodes get a line: all if they fit, else the most interesting, in the order of the plan. */
function choose(lines: readonly Line[], room: number): { shown: readonly Line[]; folded: readonly Line[] } {
  if (lines.length <= room) return { shown: lines, folded: [] };
  const chosen = new Set(
    [...lines]
      .filter((line) => INTEREST[line.state.standing] <= INTEREST.running)
      .sort((a, b) => interest(a) - interest(b))
      .slice(0, Math.max(0, room - 1)),
  );
  return { shown: lines.filter((line) => chosen.has(line)), folded: lines.filter((line) => !chosen.has(line)) };
}

function interest(line: Line): number {
  return INTEREST[line.state.standing] - (line.state.tone === 'warn' ? 0.5 : 0);
}

function foldLine(folded: readonly Line[], more: boolean, theme: Theme): string {
  const marks = glyphs(theme);
  const words = folded.map((line) => (line.state.standing === 'running' ? 'running' : line.state.words));
  return paint([' ', tone('dim', `${marks.ellipsis} ${more ? 'and ' : ''}${countWords(words)}`)], theme);
}

function header(view: RunView, lines: readonly Line[], theme: LiveTheme): string {
  const { plan } = view;
  const marks = glyphs(theme);
  const versions = versionsOf(plan, marks.arrow);
  const done = lines.filter((line) => line.state.standing === 'finished').length;
  const left: Part[] = [tone('strong', `${plan.action} ${plan.cluster}`)];
  if (plan.package) left.push('  ', plan.package.product);
  if (versions !== undefined) left.push(plan.package ? ' ' : '  ', tone('accent', versions));
  const elapsed = between(view.startedAt, view.finishedAt ?? theme.now);
  const right: Part[] = [
    tone('accent', phaseOf(view)),
    tone('dim', ` ${marks.dot} `),
    `${String(done)}/${String(lines.length)}`,
  ];
  if (elapsed !== undefined) right.push(tone('dim', ` ${marks.dot} `), formatDuration(elapsed));
  return paint(spread(left, right, theme), theme);
}

function phaseOf(view: RunView): string {
  const phase = view.state === 'running' ? PHASE[view.phase] : view.state;
  return view.stopRequested && view.state === 'running' ? `${phase}, stopping` : phase;
}

/** Left and right with the space between them; the left gives way. */
function spread(left: readonly Part[], right: readonly Part[], theme: Theme): Part[] {
  const room = Math.min(theme.columns, MAX_WIDTH) - widthOf(right);
  if (room < 12) return [...left, '  ', ...right];
  const used = widthOf(left);
  return used <= room - 2
    ? [...left, ' '.repeat(room - used), ...right]
    : [paint(left, { ...theme, columns: room - 2, color: false }), '  ', ...right];
}

/** On wide terminals the right edge stays near enough for the eye to follow the line. */
const MAX_WIDTH = 120;
const BAR = 20;

interface Widths {
  readonly name: number;
  readonly words: number;
  readonly elapsed: number;
}

function nodeWidths(lines: readonly Line[], theme: LiveTheme): Widths {
  const most = (texts: readonly string[], limit: number): number =>
    Math.min(limit, Math.max(0, ...texts.map((text) => cells(text))));
  const wide = theme.columns >= 110;
  return {
    name: most(
      lines.map((line) => line.node.name),
      wide ? 32 : 16,
    ),
    words: Math.max(
      16,
      most(
        lines.map((line) => line.state.words),
        wide ? 40 : 26,
      ),
    ),
    elapsed: 6,
  };
}

function nodeLine(view: RunView, line: Line, widths: Widths, theme: LiveTheme): string {
  const { node, state } = line;
  const marks = glyphs(theme);
  const frame = Math.floor(theme.now / FRAME_MS);
  const elapsed = elapsedOf(node, theme.now);
  const left: Part[] = [
    tone(state.tone ?? 'accent', glyphOf(state, marks, frame)),
    ' ',
    pad(cut(node.name, widths.name, 'start', marks.ellipsis), widths.name),
    '  ',
    tone(state.tone, pad(cut(state.words, widths.words, 'start', marks.ellipsis), widths.words)),
    '  ',
  ];
  const right = tone('dim', pad(elapsed, widths.elapsed, 'right'));
  const room = Math.min(theme.columns, MAX_WIDTH) - widthOf(left) - widths.elapsed - 2;
  const middle = room >= 8 ? middleOf(view, line, room, theme) : [];
  const gap = Math.max(1, room + 2 - widthOf(middle));
  return paint([...left, ...middle, ' '.repeat(gap), right], theme);
}

/** How long the step (or, when it is done, the node) took so far. */
function elapsedOf(node: NodeView, now: number): string {
  const step = currentStep(node);
  if (step) return duration(between(step.startedAt, now));
  return node.outcome === undefined || node.outcome === 'not-started'
    ? ''
    : duration(between(node.startedAt, node.finishedAt));
}

function duration(ms: number | undefined): string {
  return ms === undefined ? '' : formatDuration(ms);
}

/** The widest of what there is to say that fits: progress, else what went wrong, else the version, else the track of steps. */
function middleOf(view: RunView, line: Line, room: number, theme: Theme): Part[] {
  const { node, state } = line;
  if (node.progress) return progressParts(node.progress, room, theme);
  const marks = glyphs(theme);
  const error = node.error ?? node.steps.findLast((step) => step.error)?.error;
  if (error && state.standing !== 'finished') return [tone('dim', cut(error.message, room, 'start', marks.ellipsis))];
  if (node.outcome !== undefined) {
    return [cut(versionWords(node, marks.arrow), room, 'start', marks.ellipsis)];
  }
  const message = node.messages.at(-1);
  const track = trackOf(view, node, theme);
  const rest = room - widthOf(track) - 2;
  if (message !== undefined && rest >= 12)
    return [...track, '  ', tone('dim', cut(message, rest, 'start', marks.ellipsis))];
  return widthOf(track) <= room ? track : [];
}

/** What it had and has now; `?`: not known. */
function versionWords(node: NodeView, arrow: string): string {
  const now = versionNow(node);
  const { from = null } = node;
  if (now === from) return now ?? '';
  return `${from ?? 'not installed'} ${arrow} ${now === undefined ? '?' : (now ?? 'not installed')}`;
}

/** `●●◉○○`: which of the node's steps are done, running, open. */
function trackOf(view: RunView, node: NodeView, theme: Theme): Part[] {
  const planned = view.plan.nodes.find((each) => each.name === node.name)?.steps ?? [];
  const [done, now, open] = glyphs(theme).track;
  const seen = new Map(node.steps.map((step) => [step.step, step.state]));
  const marks = planned.map((step): Part => {
    const state = seen.get(step);
    if (state === undefined) return tone('dim', open);
    return state === 'done' ? tone('good', done) : state === 'running' ? tone('accent', now) : tone('bad', now);
  });
  return marks;
}

function clusterProgress(progress: Progress, theme: LiveTheme): string {
  const marks = glyphs(theme);
  const mark = marks.spinner[Math.floor(theme.now / FRAME_MS) % marks.spinner.length] ?? '*';
  const left: Part[] = [tone('accent', mark), ' ', pad(doingAny(progress.step), 22), '  '];
  return paint([...left, ...progressParts(progress, Math.min(theme.columns, MAX_WIDTH) - widthOf(left), theme)], theme);
}

/** Bar, percentage, sizes, rate, time left: as many as fit, the less telling left out first. */
function progressParts(progress: Progress, room: number, theme: Theme): Part[] {
  const { done, total, rate, etaMs } = progress;
  const rateText = rate === undefined ? undefined : `${formatSize(Math.max(0, rate))}/s`;
  const tail = [rateText, etaMs === undefined ? undefined : `${formatDuration(etaMs)} left`];
  if (total === undefined || total <= 0)
    return firstThatFits([[formatSize(done), tail[0]], [formatSize(done)]], [], room);
  const share = Math.min(1, Math.max(0, done / total));
  const percent = `${String(Math.floor(share * 100)).padStart(3)}%`;
  const sizes = `${formatSize(done)} of ${formatSize(total)}`;
  return firstThatFits(
    [[percent, sizes, ...tail], [percent, ...tail], [percent, tail[0]], [percent]],
    barParts(share, Math.min(BAR, Math.max(6, Math.floor(room / 3))), theme),
    room,
  );
}

function firstThatFits(
  choices: readonly (readonly (string | undefined)[])[],
  bar: readonly Part[],
  room: number,
): Part[] {
  for (const withBar of bar.length > 0 ? [true, false] : [false]) {
    for (const choice of choices) {
      const text = choice.filter((each) => each !== undefined).join('  ');
      const parts = withBar ? [...bar, ' ', text] : [text];
      if (widthOf(parts) <= room) return parts;
    }
  }
  return [];
}

function barParts(share: number, width: number, theme: Theme): Part[] {
  const [full, empty] = glyphs(theme).bar;
  const filled = Math.round(share * width);
  return [tone('good', full.repeat(filled)), tone('dim', empty.repeat(width - filled))];
}
