import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { plain } from '../../../src/base/text';
import type { NodeOutcome } from '../../../src/engine/journal/events';
import { renderLive } from '../../../src/terminal/live';
import { cells } from '../../../src/terminal/width';
import { mixedScene, planOf, Scene, START } from './scenes';
import { readCode } from '../../../src/base/catalogue';

const at80 = { columns: 80, rows: 24, now: START + 50_000, unicode: true, color: false };

describe('the live block', () => {
  it('shows header, progress, failure and result of three nodes in 80 columns', () => {
    assert.deepEqual(renderLive(mixedScene().view, at80), [
      'upgrade staging  acme-voice 24.1.0 → 24.2.0           changing nodes · 1/3 · 50s',
      '✓ node1  upgraded          24.1.0 → 24.2.0                                   48s',
      '⠴ node2  staging           ━━━━━━─────────  42%  52.5 MiB/s  2.8s left       50s',
      '✗ node3  failed            The upgrade script ended with status 3            41s',
    ]);
  });

  it('adds the sizes in 200 columns and keeps the right edge near', () => {
    const lines = renderLive(mixedScene().view, { ...at80, columns: 200 });
    assert.match(lines[2] ?? '', /━━━━━━━━──────────── {2}42% {2}108 MiB of 256 MiB {2}52.5 MiB\/s {2}2.8s left +50s$/);
    assert.ok(lines.every((each) => cells(each) <= 120));
  });

  it('speaks plain ASCII where the terminal has nothing else', () => {
    const lines = renderLive(mixedScene().view, { ...at80, unicode: false });
    assert.match(lines.join('\n'), /^[ -~\n]*$/);
    assert.match(lines[2] ?? '', /######--------- {2}42%/);
  });

  it('folds waiting and finished nodes into one line when there is no room', () => {
    const names = Array.from({ length: 40 }, (_, index) => `node${String(index)}`);
    const scene = new Scene(planOf(names));
    scene.begin('node7', 'upgrade').begin('node9', 'upgrade').fail('node9', 'upgrade');
    scene.begin('node3', 'upgrade').upgraded('node3');
    assert.deepEqual(
      renderLive(scene.view, { ...at80, rows: 10 }).map((each) => each.slice(0, 40).trimEnd()),
      [
        'upgrade staging  acme-voice 24.1.0 → 24.',
        '⠴ node7  upgrading         ○○○○◉○○○○○',
        '✗ node9  failed            The upgrade s',
        ' … and 37 waiting, 1 upgraded',
      ],
    );
  });

  it('says that a link is lost and that the node is probed, not that it failed', () => {
    const scene = mixedScene().live({ type: 'link', node: 'node2', state: 'lost' });
    assert.match(
      renderLive(scene.view, { ...at80, columns: 120 })[2] ?? '',
      /^! node2 {2}connection lost, reconnecting \(staging\)/,
    );
  });

  it('says what a stop means for nodes that did not begin', () => {
    const scene = new Scene(planOf(['a', 'b'])).begin('a', 'upgrade').fact({ type: 'stop.requested', by: 'ann' });
    const [header, , waiting] = renderLive(scene.view, at80);
    assert.match(header ?? '', /preparing, stopping/);
    assert.match(waiting ?? '', /· b +on hold/);
  });

  it('uses colour only beside words, never instead of them', () => {
    const colored = renderLive(mixedScene().view, { ...at80, color: true });
    assert.deepEqual(colored.map(plain), renderLive(mixedScene().view, at80));
    assert.ok(colored.some((each) => each.includes('\u001b[31m')));
  });

  it('is never wider than the terminal nor taller than it less three, and lets no foreign text out', () => {
    const hostile = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.constantFrom(
        '\u001b[2J\u001b]0;owned\u0007node',
        '日本語ノード',
        'e\u0301\u0301\u0301',
        '👩‍👩‍👧‍👦',
        'a\tb\r\nc',
        '\u202eevil',
        '\u009b31m',
      ),
    );
    const outcome = fc.option(fc.constantFrom<NodeOutcome>('failed', 'upgraded', 'unknown', 'not-started'));
    fc.assert(
      fc.property(
        fc.uniqueArray(hostile, { minLength: 1, maxLength: 12 }),
        fc.array(fc.tuple(outcome, hostile, fc.nat(300)), { maxLength: 12 }),
        fc.record({
          columns: fc.integer({ min: 1, max: 220 }),
          rows: fc.integer({ min: 1, max: 60 }),
          unicode: fc.boolean(),
        }),
        (names, acts, size) => {
          const scene = new Scene(planOf(names, { cluster: names[0] ?? 'x' }));
          for (const [index, [end, text, done]] of acts.entries()) {
            const node = names[index % names.length] ?? '';
            scene
              .begin(node, 'stage')
              .progress(node, 'stage', done, 200)
              .fact({ type: 'request', node, kind: 'message', text });
            if (end)
              scene.fact({
                type: 'node.finished',
                node,
                outcome: end,
                from: text,
                to: text,
                error: { code: readCode(text), message: text, hint: text },
              });
          }
          const lines = renderLive(scene.view, { ...size, now: START, color: false });
          assert.ok(lines.length <= Math.max(0, size.rows - 3));
          for (const each of lines) {
            assert.ok(cells(each) <= size.columns, JSON.stringify(each));
            assert.equal(plain(each), each);
            assert.ok(!/[\n\t]/.test(each));
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
