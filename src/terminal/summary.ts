import type { NodeOutcome } from '../engine/journal/events';
import { versionNow } from '../engine/journal/versions-now';
import { currentStep, type NodeView, type RunView, type StepView } from '../engine/journal/view';
import { exitsOf, restoreCommand, versionsNow } from './exits';
import { leftLines, putBackLines } from './left';
import { glyphs, paint, tone, type Theme, type Part } from './theme';
import { command, finding, labelled, quoted } from './prose';
import { fits, renderTable, type Column, type Row } from './table';
import type { Action } from '../engine/journal/plan';
import { plural } from './report';
import { ACTION_NOUN, between, duration, nodeWords, outcomeWords, RUN_OUTCOME } from './words';

export interface SummaryPlace {
  /** The folder of the run: plan, journal and logs. */
  readonly folder: string;
  /** Shown as `~` where a path begins with it. */
  readonly home?: string | undefined;
}

/** The end of a run: what is down or was left in between, a table of the nodes, what failed and why, mixed versions and the ways on, the verdict last. */
export function renderSummary(view: RunView, place: SummaryPlace, theme: Theme): string[] {
  const sections = [
    leftLines(view, theme),
    table(view, place, theme),
    putBackLines(view, theme),
    failures(view, theme),
    mixedVersions(view, theme),
    waysOn(view, theme),
  ];
  return [
    ...sections.filter((each) => each.length > 0).flatMap((each) => [...each, '']),
    ...verdict(view, place, theme),
  ];
}

const COLUMNS: readonly Column[] = [
  { title: 'node', min: 8 },
  { title: 'from', min: 6 },
  { title: 'to', min: 6 },
  { title: 'now', min: 6 },
  { title: 'outcome', firm: true },
  { title: 'time', align: 'right', firm: true, min: 4 },
  { title: 'log', keep: 'end', min: 8 },
];

/** The column of what a node that did not end well has now. */
const NOW = COLUMNS.findIndex(({ title }) => title === 'now');

function table(view: RunView, place: SummaryPlace, theme: Theme): string[] {
  const folder = shorten(place.folder, place.home);
  const rows = (prefix: string): Row[] =>
    view.plan.nodes.flatMap(({ name }): Row[] => {
      const node = Object.hasOwn(view.nodes, name) ? view.nodes[name] : undefined;
      return node ? [row(view, node, prefix)] : [];
    });
  const full = rows(`${folder}/`);
  // Where all went well, the columns from and to say it.
  const asked = Object.values(view.nodes).some(({ outcome }) => outcome !== undefined && ASKED.has(outcome));
  const shown = <T>(all: readonly T[]): T[] => all.filter((_, index) => asked || index !== NOW);
  const columns = shown(COLUMNS);
  const whole = full.map(shown);
  return renderTable(columns, fits(columns, whole, theme) ? whole : rows('').map(shown), theme);
}

function row(view: RunView, node: NodeView, prefix: string): Row {
  const planned = view.plan.nodes.find((each) => each.name === node.name);
  const state = node.outcome ? outcomeWords(node.outcome) : nodeWords(view, node, planned);
  const to: Part = node.to === undefined ? '' : isReached(node) ? node.to : tone('dim', `(${node.to})`);
  return [
    tone('strong', node.name),
    node.from ?? tone('dim', 'none'),
    to,
    nowOf(node),
    tone(state.tone, state.words),
    node.outcome === 'not-started' ? '' : duration(between(node.startedAt, node.finishedAt)),
    tone('dim', `${prefix}${node.name}.log`),
  ];
}

/** A version that the node only should have come to stands in brackets. */
function isReached(node: NodeView): boolean {
  return !(node.outcome === undefined || NOT_REACHED.has(node.outcome));
}

const NOT_REACHED: ReadonlySet<NodeOutcome> = new Set(['failed', 'wrong-version', 'unknown', 'not-started']);

/** Where a node may have any version, the table says what each one has. */
const ASKED: ReadonlySet<NodeOutcome> = new Set(['failed', 'wrong-version', 'unknown']);

function nowOf(node: NodeView): Part {
  const version = versionNow(node);
  return version === undefined ? tone('warn', 'unknown') : (version ?? tone('dim', 'none'));
}

function shorten(path: string, home: string | undefined): string {
  return home !== undefined && home !== '' && path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}

/** The step where a node went wrong: the one with the error, else the one that it was in. */
function troubledStep(node: NodeView): StepView | undefined {
  return (
    node.steps.findLast((step) => step.state === 'failed' || step.state === 'unknown') ??
    currentStep(node) ??
    node.steps.at(-1)
  );
}

const SHOWN_LOG = 10;

function failures(view: RunView, theme: Theme): string[] {
  const marks = glyphs(theme);
  return view.plan.nodes.flatMap(({ name }): string[] => {
    const node = Object.hasOwn(view.nodes, name) ? view.nodes[name] : undefined;
    if (!node) return [];
    const step = troubledStep(node);
    const error = node.error ?? (step?.state === 'done' ? undefined : step?.error);
    if (!error) return [];
    const unknown = node.outcome === 'unknown';
    const at =
      step === undefined ? node.name : `${node.name}, ${step.step}${step.lane === 'rollback' ? ' (rolling back)' : ''}`;
    return [
      ...finding(
        unknown ? tone('warn', marks.unknown) : tone('bad', marks.failed),
        `${at}: ${error.message}`,
        error.code,
        theme,
      ),
      ...quoted(error.log?.slice(-SHOWN_LOG), theme),
      ...labelled('Next:', error.hint, theme),
    ];
  });
}

function mixedVersions(view: RunView, theme: Theme): string[] {
  const versions = versionsNow(view);
  if (view.state === 'running' || versions.size < 2) return [];
  return [
    paint([tone('warn', `${glyphs(theme).warning} Mixed versions`)], theme),
    ...[...versions].flatMap(([version, nodes]) => labelled(`${version}:`, nodes.join(', '), theme)),
  ];
}

function waysOn(view: RunView, theme: Theme): string[] {
  const exits = exitsOf(view);
  if (exits.length === 0) return [];
  return [
    paint([tone('strong', 'What you can do next')], theme),
    ...exits.flatMap((exit) => [
      ...labelled(`${capital(exit.name)}:`, exit.command === undefined ? `not possible, ${exit.why}` : exit.why, theme),
      ...(exit.command === undefined ? [] : [command(exit.command, '    ')]),
    ]),
  ];
}

function verdict(view: RunView, place: SummaryPlace, theme: Theme): string[] {
  const marks = glyphs(theme);
  const took = duration(between(view.startedAt, view.finishedAt));
  const outcome =
    view.state === 'abandoned'
      ? { words: 'was abandoned', tone: 'warn' as const }
      : view.outcome && RUN_OUTCOME[view.outcome];
  const state = outcome ?? { words: 'has not ended', tone: 'warn' as const };
  const mark = state.tone === 'good' ? marks.done : state.tone === 'bad' ? marks.failed : marks.warning;
  const subject = `${ACTION_NOUN[view.plan.action]} of ${view.plan.cluster}`;
  const words = nothingToDo(view)
    ? `${subject}: nothing to do, all nodes are up to date and healthy`
    : state.tone === 'good'
      ? successWords(view, took)
      : `${subject} ${state.words}${took === '' ? '' : ` after ${took}`}`;
  return [
    paint([tone(state.tone, `${mark} ${words}`)], theme),
    paint([tone('dim', `  run ${view.run}`)], theme),
    ...(view.plan.action !== 'restore' && view.point
      ? [paint([tone('dim', `  restore point ${view.point.id} in ${view.point.location}, ${view.point.state}`)], theme)]
      : []),
    ...undoLines(view, theme),
    // Never cut: a path that is cut cannot be opened.
    command(`logs ${shorten(place.folder, place.home)}`),
  ];
}

/** Where what a restore replaced is kept, and how it comes back. */
function undoLines(view: RunView, theme: Theme): string[] {
  const points = [view.undo, ...Object.values(view.renewed)].filter((point) => point?.state === 'verified');
  if (view.plan.action !== 'restore') return [];
  return points.flatMap((point) =>
    point
      ? [
          paint(
            [tone('dim', `  the replaced files are saved in restore point ${point.id}. To bring them back:`)],
            theme,
          ),
          command(restoreCommand(view.plan, point)),
        ]
      : [],
  );
}

/** `staging was upgraded to 24.2.0 (3 nodes, 1m22s)` */
function successWords({ plan, nodes }: RunView, took: string): string {
  const count = plural(Object.keys(nodes).length, 'node', 'nodes');
  const version = plan.action === 'upgrade' && plan.package ? ` to ${plan.package.version}` : '';
  return `${plan.cluster} was ${DONE[plan.action]}${version} (${[count, took].filter((each) => each !== '').join(', ')})`;
}

const DONE: Readonly<Record<Action, string>> = {
  upgrade: 'upgraded',
  provision: 'provisioned',
  backup: 'backed up',
  restore: 'restored',
};

function capital(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function nothingToDo(view: RunView): boolean {
  return view.outcome === 'succeeded' && Object.values(view.nodes).every((node) => node.outcome === 'unchanged');
}
