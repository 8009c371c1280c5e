import { strict as assert } from 'node:assert';
import { applicationOf, leftBy } from '../../../../src/engine/journal/application';
import { renderSummary } from '../../../../src/terminal/summary';
import type { Lane, NodeOutcome, RunEvent } from '../../../../src/engine/journal/events';
import type { StepName } from '../../../../src/engine/journal/plan';
import { fold, viewOf, type RunView } from '../../../../src/engine/journal/view';
import { planOf } from '../plans';
import type { ErrorCode } from '../../../../src/base/catalogue';

type Result = 'done' | 'failed' | 'unknown' | 'running';
type Step = readonly [step: StepName, result: Result, lane?: Lane, code?: ErrorCode];

function viewAfter(steps: readonly Step[], outcome: NodeOutcome, quiet = false): RunView {
  const backup = { reason: 'upgrade', paths: [], exclude: [], quiet, nodes: {} } as const;
  const events: RunEvent[] = steps.flatMap(([step, result, lane = 'main', code = 'step-failed']): RunEvent[] => {
    const key = { node: 'a', step, lane, attempt: 1 };
    const begun: RunEvent = { type: 'step.started', ...key };
    const error = { code, message: '', hint: '' };
    if (result === 'running') return [begun];
    return [
      begun,
      result === 'done'
        ? { type: 'step.finished', ...key, ms: 0, result }
        : { type: 'step.finished', ...key, ms: 0, result, error },
    ];
  });
  events.push({ type: 'node.finished', node: 'a', outcome });
  events.push({ type: 'run.finished', outcome: 'failed', status: 1, nodes: {} });
  return events.reduce<RunView>((view, event) => fold(view, event), viewOf(planOf(['a'], { backup }), []));
}

function left(steps: readonly Step[], outcome: NodeOutcome, quiet = false): string {
  const [one] = leftBy(viewAfter(steps, outcome, quiet));
  return one ? `${one.application} ${one.files}` : '';
}

describe('what a run left of a node', () => {
  it('is told of each way that a stop can go', () => {
    const cases: readonly (readonly [readonly Step[], NodeOutcome, string])[] = [
      [[['upgrade', 'failed']], 'failed', ''],
      [
        [
          ['stop', 'failed'],
          ['start', 'done'],
        ],
        'failed',
        'started untouched',
      ],
      [
        [
          ['stop', 'failed'],
          ['start', 'failed'],
        ],
        'failed',
        'start-failed untouched',
      ],
      [[['stop', 'failed']], 'failed', 'stopped untouched'],
      [[['stop', 'unknown']], 'unknown', 'unknown untouched'],
      [
        [
          ['stop', 'done'],
          ['upgrade', 'unknown'],
        ],
        'unknown',
        'stopped mixed',
      ],
      [
        [
          ['stop', 'done'],
          ['upgrade', 'failed'],
          ['start', 'done'],
        ],
        'failed',
        'started changed',
      ],
      [
        [
          ['stop', 'done'],
          ['upgrade', 'done'],
          ['start', 'failed'],
        ],
        'failed',
        'start-failed changed',
      ],
      [
        [
          ['stop', 'done'],
          ['upgrade', 'done'],
          ['start', 'done'],
        ],
        'upgraded',
        '',
      ],
    ];
    for (const [steps, outcome, said] of cases) assert.equal(left(steps, outcome), said, JSON.stringify(steps));
  });

  it('follows it on the way back, of an upgrade and of a restore', () => {
    const up: Step[] = [
      ['stop', 'done'],
      ['upgrade', 'failed'],
    ];
    const back: Step[] = [...up, ['stop', 'done', 'rollback']];
    assert.equal(
      left([...back, ['restore', 'failed', 'rollback'], ['start', 'done', 'rollback']], 'failed'),
      'started changed',
    );
    assert.equal(left([...back, ['restore', 'unknown', 'rollback']], 'unknown'), 'stopped mixed');
    assert.equal(left([...back, ['restore', 'done', 'rollback']], 'failed'), 'stopped point');
    assert.equal(left([...back, ['restore', 'done', 'rollback'], ['start', 'done', 'rollback']], 'rolled-back'), '');
    const restored: Step[] = [
      ['stop', 'done'],
      ['restore', 'done'],
      ['stop', 'done', 'rollback'],
      ['restore', 'done', 'rollback'],
    ];
    assert.equal(left([...restored, ['start', 'failed', 'rollback']], 'failed'), 'start-failed untouched');
  });

  it('includes an application that a quiet backup stopped', () => {
    assert.equal(left([['backup', 'failed', 'main', 'quiet-start']], 'not-started', true), 'start-failed untouched');
    assert.equal(left([['backup', 'failed', 'main', 'quiet-stop']], 'not-started', true), 'started untouched');
    assert.equal(left([['backup', 'unknown', 'main', 'attempt-lost']], 'not-started', true), 'unknown untouched');
    assert.equal(left([['backup', 'failed', 'main', 'backup-full']], 'not-started', false), '');
  });

  it('stands above everything else in the summary', () => {
    const view = viewAfter(
      [
        ['stop', 'done'],
        ['upgrade', 'failed'],
        ['start', 'failed'],
      ],
      'failed',
    );
    assert.equal(applicationOf(view.nodes['a'] ?? assert.fail()), 'start-failed');
    const lines = renderSummary(view, { folder: '/runs/x' }, { columns: 110, unicode: true, color: false });
    const [first = '', second = ''] = lines;
    assert.match(
      `${first}${second}`,
      /^✗ a is down: its application was stopped, and `start` failed; its files are as the failed upgrade left them/,
    );
  });
});
