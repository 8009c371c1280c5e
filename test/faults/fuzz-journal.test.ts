import { strict as assert } from 'node:assert';
import { createHash } from 'node:crypto';
import { ClusterliftError } from '../../src/base/errors';
import { FIRST_PREV, parseJournal } from '../../src/engine/journal/journal';
import { nodeResults, runOutcome } from '../../src/engine/journal/outcome';
import { planText } from '../../src/engine/journal/runs';
import { parsePlan } from '../../src/engine/journal/schema';
import { viewOf } from '../../src/engine/journal/view';
import { planOf } from '../unit/engine/plans';
import { countFromEnv, Random, seedFromEnv } from './random';

/** Journals and plans also come back from nodes, so whatever stands there is read without a crash. */
const COUNT = countFromEnv('FUZZ_JOURNALS', 1000, 10_000);

const PIECES = [
  'null',
  '{}',
  '[]',
  '-1',
  '1e999',
  '"\\u0000"',
  '"__proto__"',
  '"n1"',
  '"unknown"',
  '""',
  'true',
  '{"a":[',
  '\u2028',
];
const EVENTS = [
  { type: 'run.started', run: 'r', action: 'upgrade', cluster: 'c', plan: 'p', host: 'h', pid: 1, epoch: 1 },
  { type: 'phase', phase: 'lock' },
  { type: 'step.started', node: 'n1', step: 'upgrade', lane: 'main', attempt: 1, data: { bootId: 'b' } },
  {
    type: 'step.finished',
    node: 'n1',
    step: 'upgrade',
    lane: 'main',
    attempt: 1,
    ms: 5,
    result: 'done',
    data: { rc: 0 },
  },
  {
    type: 'step.finished',
    node: 'n2',
    step: 'stop',
    lane: 'rollback',
    attempt: 2,
    ms: 5,
    result: 'failed',
    error: { code: 'x', message: 'm', hint: 'h' },
  },
  { type: 'request', node: 'n1', kind: 'message', text: 'hello' },
  { type: 'node.finished', node: 'n2', outcome: 'failed', from: '1', to: '2' },
  { type: 'run.finished', outcome: 'failed', status: 1, nodes: { n1: { outcome: 'failed' } } },
  { type: 'something.new', of: 'later' },
];

/** A journal whose hashes are right, however odd its lines: the chain keeps no forger out. */
function chained(lines: readonly string[]): string {
  let prev = FIRST_PREV;
  return lines
    .map((text, index) => {
      const line = text.replace(
        /^\{/,
        `{"seq":${String(index + 1)},"time":"2026-01-01T00:00:00.000Z","prev":"${prev}",`,
      );
      prev = createHash('sha256').update(line).digest('hex');
      return `${line}\n`;
    })
    .join('');
}

function mutate(text: string, random: Random): string {
  const at = random.below(text.length + 1);
  switch (random.below(4)) {
    case 0:
      return text.slice(0, at) + random.pick(PIECES) + text.slice(at);
    case 1:
      return text.slice(0, at) + text.slice(at + random.below(12));
    case 2:
      return text.replace(/:("[^"]*"|\d+|\{[^{}]*\})/, `:${random.pick(PIECES)}`);
    default:
      return text.slice(0, at) + String.fromCharCode(random.below(256)) + text.slice(at + 1);
  }
}

describe('mutated journals and plans', function () {
  this.timeout(600_000);
  const seed = seedFromEnv();

  it(`${String(COUNT)} journals: a reason, or a view that can be shown`, () => {
    const random = new Random(seed);
    const plan = planOf(['n1', 'n2']);
    let taken = 0;
    for (let index = 0; index < COUNT; index++) {
      const lines = EVENTS.map((event) => JSON.stringify(event)).map((line) =>
        random.below(3) === 0 ? mutate(line, random) : line,
      );
      const text = chained(lines);
      try {
        const view = viewOf(plan, parseJournal(text, 'x').entries);
        assert.deepEqual(Object.keys(view.nodes), ['n1', 'n2']);
        JSON.stringify([runOutcome(view), nodeResults(view)]);
        taken++;
      } catch (error) {
        assert.ok(
          error instanceof ClusterliftError,
          `seed ${String(seed)}, number ${String(index)}: ${String(error)}\n${text}`,
        );
      }
    }
    assert.ok(taken > 0 && taken < COUNT, `${String(taken)} of ${String(COUNT)} were taken`);
  });

  it(`${String(COUNT)} plans: a reason, or a plan`, () => {
    const random = new Random(seed);
    const whole = planText(planOf(['n1', 'n2']));
    for (let index = 0; index < COUNT; index++) {
      try {
        const plan = parsePlan(mutate(mutate(whole, random), random), 'x');
        viewOf(plan, []);
      } catch (error) {
        assert.ok(error instanceof ClusterliftError, `seed ${String(seed)}, number ${String(index)}: ${String(error)}`);
      }
    }
  });
});
