import { isOwnCommand } from '../base/shell';
import { wallClock } from '../base/clock';
import { formatDuration, formatSize } from '../base/units';
import { madeWords, readPointId } from '../backup/points/point';
import type { Action, Plan, PlanBackup, PlanNode, PlanPoint } from '../engine/journal/plan';
import { glyphs, paint, tone, type Theme, type Part } from './theme';
import { command, labelled } from './prose';
import { plural, renderReport } from './report';
import { ACTION_NOUN, sourceWords, versionsOf, willOf, wordOf } from './words';

/**
 * What the run would do, wave by wave, node by node, step by step, then the report of the checks.
 * @param use `asked`: the person is asked next whether to go on; else nothing follows
 */
export function renderPlan(plan: Plan, theme: Theme, use: 'dry-run' | 'asked' = 'dry-run'): string[] {
  const marks = glyphs(theme);
  const versions = versionsOf(plan, marks.arrow);
  const skipped = plan.nodes.filter((node) => node.action === 'skip');
  return [
    paint(
      [
        tone('strong', `${ACTION_NOUN[plan.action]} of ${plan.cluster}`),
        ...(versions === undefined ? [] : ['  ', tone('accent', versions)]),
      ],
      theme,
    ),
    ...facts(plan).flatMap(([label, text]) => labelled(`${label}:`, text, theme)),
    ...plan.batches.flatMap((wave, index) => renderWave(plan, wave, index, theme)),
    ...(skipped.length > 0
      ? ['', paint([tone('strong', 'Nothing to do')], theme), ...skipped.map((node) => nodeHead(node, theme))]
      : []),
    '',
    ...renderReport(plan.checks, theme),
    '',
    ...(use === 'asked' ? [] : renderEnd(plan, theme)),
  ];
}

function renderEnd(plan: Plan, theme: Theme): string[] {
  return [
    ...(plan.checks.some((check) => check.level === 'block' && !check.overridden)
      ? [paint([tone('dim', 'Nothing was changed.')], theme)]
      : [
          paint([tone('dim', 'Nothing was changed. To run it:')], theme),
          command(isOwnCommand(plan.command) ? plan.command : ''),
        ]),
  ];
}

function facts(plan: Plan): (readonly [string, string])[] {
  const { options, point } = plan;
  const pack = plan.package;
  const word = wordOf(pack);
  return [
    ...(pack
      ? ([
          ['package', `${pack.product} ${pack.version}, ${formatSize(pack.size)}, ${sourceWords(pack.source)}`],
          ['sha256', pack.sha256],
          ...(pack.signedBy === undefined ? [] : [['signed by', pack.signedBy] as const]),
          ...(word === undefined ? [] : [['provided by', word] as const]),
        ] as const)
      : []),
    ...(plan.action === 'upgrade'
      ? ([
          ['order', options.mode === 'serial' ? 'serial: one node at a time' : wavesWords(plan)],
          ['backup', backupWords(options.backup)],
        ] as const)
      : []),
    ...(point ? ([['restore point', pointWords(plan.action, point)]] as const) : []),
    ...(plan.backup ? [['backup paths', pathWords(plan.backup)] as const] : []),
    ...(plan.action === 'restore' ? [['saved first', undoWords(plan)] as const] : []),
    ...(plan.action === 'upgrade' ? [['failures', budgetWords(plan)] as const] : []),
  ];
}

/** Of the point that a restore goes back to, its age counts. */
function pointWords(action: Action, { id, location }: PlanPoint): string {
  const created = action === 'restore' ? readPointId(id)?.created : undefined;
  return `${id} in ${location}${created === undefined ? '' : `, ${madeWords(created, wallClock())}`}`;
}

/** How a restore can be undone. */
function undoWords({ undo, point, nodes }: Plan): string {
  if (!undo) return 'nothing: the replaced files are not kept';
  const saved = Object.keys(undo.backup.nodes);
  const some = saved.length < nodes.length ? ` on ${saved.join(', ')}` : '';
  return `restore point ${undo.id} of the files to be replaced${some}, in ${point?.location ?? ''}, verified before anything changes`;
}

function pathWords({ paths, exclude, quiet }: PlanBackup): string {
  const without = exclude.length > 0 ? `, without ${exclude.join(', ')}` : '';
  return `${paths.join(', ')}${without}${quiet ? '; the application is stopped meanwhile' : ''}`;
}

function backupWords(location: string): string {
  return location === 'none'
    ? 'none: you will not be able to roll back'
    : `${location}, verified before anything changes`;
}

function budgetWords({ options, batch }: Plan): string {
  const then: Readonly<Record<typeof options.onFailure, string>> = {
    stop: 'no other node is started',
    continue: 'the other nodes continue',
    rollback: 'the nodes that were started are rolled back',
  };
  const more = options.maxFailures === '0' ? 'one node fails' : `more than ${options.maxFailures} nodes fail`;
  const ramp = new Set(batch).size > 1 ? '; if a whole batch of the ramp fails, the run always stops' : '';
  return `when ${more}, ${then[options.onFailure]}${ramp}; a node that does not respond for ${formatDuration(options.giveUp)} is given up`;
}

function wavesWords(plan: Plan): string {
  const sizes = plan.batches.map((wave) => String(wave.length));
  return sizes.length <= 1
    ? 'parallel: all nodes at once'
    : `in ${String(sizes.length)} waves of ${sizes.join(', ')} nodes`;
}

function renderWave(plan: Plan, wave: readonly string[], index: number, theme: Theme): string[] {
  const nodes = wave.flatMap((name) => plan.nodes.filter((node) => node.name === name));
  const title =
    plan.batches.length > 1
      ? `Wave ${String(index + 1)}, ${plural(nodes.length, 'node', 'nodes')}`
      : plural(nodes.length, 'node', 'nodes');
  return ['', paint([tone('strong', title)], theme), ...nodes.flatMap((node) => renderNode(plan, node, theme))];
}

function renderNode(plan: Plan, node: PlanNode, theme: Theme): string[] {
  const width = String(node.steps.length).length;
  const name = Math.max(0, ...node.steps.map((step) => step.length));
  return [
    nodeHead(node, theme),
    ...node.steps.map((step, index) =>
      paint(
        [
          '    ',
          tone('dim', `${String(index + 1).padStart(width)}. `),
          step.padEnd(name),
          '  ',
          tone('dim', willOf(plan.action, step)),
        ],
        theme,
      ),
    ),
  ];
}

function nodeHead(node: PlanNode, theme: Theme): string {
  const marks = glyphs(theme);
  const roles = node.model.roles.length > 0 ? `  (${node.model.roles.join(', ')})` : '';
  const versions: Part =
    node.action === 'skip'
      ? `already at ${node.from ?? '?'}`
      : node.to === undefined
        ? (node.from ?? '')
        : `${node.from ?? 'not installed'} ${marks.arrow} ${node.to}`;
  return paint(['  ', tone('strong', node.name), tone('dim', roles), '  ', versions], theme);
}
