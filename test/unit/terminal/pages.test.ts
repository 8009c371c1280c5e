import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { ClusterliftError, ExitStatus } from '../../../src/base/errors';
import { renderError } from '../../../src/terminal/error';
import { themeOf } from '../../../src/terminal/theme';
import { renderPlan } from '../../../src/terminal/plan';
import { plainLines } from '../../../src/terminal/plain';
import { renderReport } from '../../../src/terminal/report';
import { renderStatus } from '../../../src/terminal/status';
import { renderTable } from '../../../src/terminal/table';
import { cells } from '../../../src/terminal/width';
import type { CheckResult } from '../../../src/engine/journal/plan';
import { mixedScene, planNode, planOf } from './scenes';

const theme = { columns: 80, unicode: true, color: false };

const DISK: CheckResult = {
  code: 'disk-space',
  level: 'block',
  node: 'node2',
  path: '/var/lib/clusterlift',
  message: 'needs 1.2 GiB, 300 MiB are free',
  fix: 'df -h /var/lib/clusterlift',
  overridden: false,
};
const BACKUP: CheckResult = {
  ...DISK,
  code: 'no-backup',
  level: 'warn',
  node: undefined,
  path: undefined,
  message: 'there is no way back',
  fix: 'Add a backup.',
};

describe('the report of the checks', () => {
  it('puts what blocks first and names node, path, code and fix', () => {
    assert.deepEqual(renderReport([BACKUP, DISK], theme), [
      '✗ node2:/var/lib/clusterlift: needs 1.2 GiB, 300 MiB are free [disk-space]',
      '  Fix: df -h /var/lib/clusterlift',
      '! there is no way back [no-backup]',
      '  Fix: Add a backup.',
      '',
      '✗ 1 blocking problem, 1 warning',
      '  To accept the risk (recorded in the journal): --override disk-space',
    ]);
  });

  it('does not count what was overridden as a block', () => {
    assert.deepEqual(renderReport([{ ...DISK, overridden: true }], theme).at(-1), '✓ Checks passed with 1 warning');
  });

  it('says that all is well', () => {
    assert.deepEqual(renderReport([], theme), ['✓ All checks passed']);
  });
});

describe('the dry run', () => {
  it('lists waves, nodes and steps, and the command that would run it', () => {
    const nodes = [planNode('a'), planNode('b'), planNode('c', { action: 'skip', from: '24.2.0' })];
    const lines = renderPlan(planOf(['a', 'b', 'c'], { nodes, batches: [['a'], ['b']] }), theme);
    const text = lines.join('\n');
    assert.match(text, /Wave 1, 1 node\n {2}a {2}\(application\) {2}24\.1\.0 → 24\.2\.0\n {5}1\. lock/);
    assert.match(text, /Wave 2, 1 node\n {2}b /);
    assert.match(text, /Nothing to do\n {2}c {2}\(application\) {2}already at 24\.2\.0/);
    assert.match(text, /backup: none: you will not be able to roll back/);
    assert.match(text, /To run it:\n {2}clusterlift upgrade/);
  });

  it('offers no command while something blocks', () => {
    assert.equal(renderPlan(planOf(['a'], { checks: [DISK] }), theme).at(-1), 'Nothing was changed.');
  });
});

describe('an error', () => {
  it('shows cause, code, place, node, log and next step', () => {
    const error = new ClusterliftError({
      code: 'upgrade-failed',
      message: 'The upgrade script ended with status 3',
      hint: 'Mend it.',
      exit: ExitStatus.failed,
      node: 'node2',
      step: 'upgrade',
      log: ['no space left \u001b[31mon device'],
      at: { file: 'clusters.json', line: 3, column: 7 },
    });
    assert.deepEqual(renderError(error, theme), [
      '✗ The upgrade script ended with status 3 [upgrade-failed]',
      '  At: clusters.json:3:7',
      '  Node: node2, step upgrade',
      '  │ no space left on device',
      '  Next: Mend it.',
    ]);
  });
});

describe('tables', () => {
  it('leave out what no node has to say, and never wrap', () => {
    const row = {
      node: 'n1',
      roles: [],
      version: '1',
      health: 'healthy',
      lastRun: undefined,
      note: undefined,
    } as const;
    assert.deepEqual(renderStatus([row], theme), ['NODE  VERSION  HEALTH', 'n1    1        healthy']);
  });

  it('fit any terminal, whatever the cells hold', () => {
    const cell = fc.string({ unit: 'grapheme', maxLength: 90 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(cell, cell, cell), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 3, max: 200 }),
        (rows, columns) => {
          const titles = [{ title: 'a', firm: true }, { title: 'b' }, { title: 'c', keep: 'end' as const }];
          const lines = renderTable(titles, rows, { ...theme, columns });
          assert.equal(lines.length, rows.length + 1);
          for (const each of lines) assert.ok(cells(each) <= columns, JSON.stringify(each));
        },
      ),
    );
  });
});

describe('plain lines', () => {
  it('tell a failure with time, node, cause and log, and nothing of progress', () => {
    const lines = mixedScene().entries.map((entry) => plainLines(entry));
    assert.equal(lines[0], '20:17:55Z run 20261122T201755Z-staging-4f2a: upgrade of staging started');
    assert.equal(
      lines[5],
      '20:18:36Z node3: upgrade failed after 0.9s: The upgrade script ended with status 3 [upgrade-failed]\n  | unpacking libvoice\n  | E: no space left on device',
    );
    assert.equal(
      plainLines({ type: 'progress', node: 'a', step: 'stage', done: 1, total: 2, rate: 1, etaMs: 1 }),
      undefined,
    );
  });

  it('cannot be made to look like our own by a node', () => {
    const text = plainLines({ type: 'request', node: 'n\r\nroot', kind: 'message', text: 'a\n✓ committed\u001b[2J' });
    assert.equal(text, 'n root: a ✓ committed');
  });
});

describe('what a stream can show', () => {
  const tty = { isTTY: true, columns: 100 };
  it('honours NO_COLOR and TERM=dumb', () => {
    assert.equal(themeOf(tty, { LANG: 'de_DE.UTF-8' }, 'linux').color, true);
    assert.equal(themeOf(tty, { NO_COLOR: '1' }, 'linux').color, false);
    assert.equal(themeOf(tty, { TERM: 'dumb' }, 'linux').color, false);
    assert.equal(themeOf({ isTTY: false }, {}, 'linux').color, false);
  });

  it('takes Unicode from the locale', () => {
    assert.equal(themeOf(tty, { LANG: 'de_DE.UTF-8' }, 'linux').unicode, true);
    assert.equal(themeOf(tty, { LC_ALL: 'C', LANG: 'de_DE.UTF-8' }, 'linux').unicode, false);
    assert.equal(themeOf(tty, {}, 'linux').unicode, false);
  });
});
