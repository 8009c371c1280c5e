import { strict as assert } from 'node:assert';
import { renderSummary } from '../../../src/terminal/summary';
import { versionsNow } from '../../../src/terminal/exits';
import { cells } from '../../../src/terminal/width';
import { mixedScene, planOf, Scene } from './scenes';
import type { ErrorRecord } from '../../../src/engine/journal/events';

const theme = { columns: 80, unicode: true, color: false };
const place = { folder: '/home/ann/.local/state/clusterlift/runs/20261122T201755Z-staging-4f2a', home: '/home/ann' };

function failedScene(): Scene {
  return mixedScene()
    .fact({ type: 'node.finished', node: 'node2', outcome: 'not-started' })
    .at(60_000)
    .finish('failed', 1);
}

describe('the summary of a run', () => {
  it('ends with table, cause, log, mixed versions and the three ways on, in 80 columns', () => {
    assert.deepEqual(renderSummary(failedScene().view, place, theme), [
      'NODE   FROM    TO        NOW     OUTCOME      TIME  LOG',
      'node1  24.1.0  24.2.0    24.2.0  upgraded      48s  node1.log',
      'node2  24.1.0  (24.2.0)  24.1.0  not started        node2.log',
      'node3  24.1.0  (24.2.0)  24.1.5  failed        41s  node3.log',
      '',
      '✗ node3, upgrade: The upgrade script ended with status 3 [upgrade-failed]',
      '  │ unpacking libvoice',
      '  │ E: no space left on device',
      '  Next: Mend the cause that the log names, then retry this node.',
      '',
      '! Mixed versions',
      '  24.2.0: node1',
      '  24.1.0: node2',
      '  24.1.5: node3',
      '',
      'What you can do next',
      '  Continue: upgrades the remaining nodes',
      '    clusterlift upgrade /home/ann/acme-voice-24.2.0.iso fast backup none --cluster staging',
      '  Retry failed: only node3',
      '    clusterlift upgrade /home/ann/acme-voice-24.2.0.iso fast backup none --cluster staging --nodes node3',
      '  Roll back: not possible, this run made no backup, so there is no restore point',
      '',
      '✗ Upgrade of staging failed after 1m00s',
      '  run 20261122T201755Z-staging-4f2a',
      '  logs ~/.local/state/clusterlift/runs/20261122T201755Z-staging-4f2a',
    ]);
  });

  it('shows whole log paths where they fit', () => {
    const lines = renderSummary(failedScene().view, place, { ...theme, columns: 200 });
    assert.match(
      lines[1] ?? '',
      /48s {2}~\/\.local\/state\/clusterlift\/runs\/20261122T201755Z-staging-4f2a\/node1\.log$/,
    );
  });

  it('offers to roll back to the verified restore point of the run, by its exact command', () => {
    const scene = mixedScene().fact({
      type: 'point',
      id: '20261122T201755Z-ab12',
      location: 'nightly',
      state: 'verified',
    });
    const lines = renderSummary(scene.finish('failed', 1).view, place, theme);
    assert.ok(
      lines.includes('    clusterlift backup restore 20261122T201755Z-ab12 --location nightly --cluster staging'),
    );
    assert.ok(lines.includes('  restore point 20261122T201755Z-ab12 in nightly, verified'));
  });

  it('sends a run with a node of unknown outcome to resume, not to a new upgrade', () => {
    const error: ErrorRecord = { code: 'node-unknown', message: 'node3 did not answer', hint: 'Bring it back.' };
    const scene = mixedScene().fact({ type: 'node.finished', node: 'node3', outcome: 'unknown', error });
    scene.fact({ type: 'run.finished', outcome: 'unknown', status: 4, nodes: {} });
    const lines = renderSummary(scene.view, place, theme);
    assert.ok(lines.includes('    clusterlift resume 20261122T201755Z-staging-4f2a'));
    assert.ok(!lines.some((each) => each.includes('clusterlift upgrade')));
    assert.deepEqual(versionsNow(scene.view).get('unknown'), ['node3']);
  });

  it('goes on with a run that was stopped; the way back names the same file', () => {
    const command = "clusterlift upgrade x.iso serial --config 'my clusters.json' --yes";
    const configFile = '/srv/my clusters.json';
    const point = { type: 'point', id: '20261122T201755Z-ab12', location: 'nightly', state: 'verified' } as const;
    const scene = new Scene(planOf(['a', 'b'], { command, configFile })).fact(point).finish('stopped', 1);
    const lines = renderSummary(scene.view, place, theme).join('\n');
    assert.match(lines, /clusterlift resume 20261122T201755Z-staging-4f2a\n/);
    assert.match(lines, /backup restore \S+ --location nightly --cluster staging --config '\/srv\/my clusters.json'\n/);
  });

  it('says that nothing was to be done', () => {
    const scene = new Scene(planOf(['a'])).fact({
      type: 'node.finished',
      node: 'a',
      outcome: 'unchanged',
      from: '24.2.0',
      to: '24.2.0',
    });
    assert.match(
      renderSummary(scene.finish('succeeded', 0).view, place, theme).join('\n'),
      /✓ Upgrade of staging: nothing to do, all nodes are up to date and healthy/,
    );
  });

  it('replaces --nodes of the original command by the nodes that failed', () => {
    const scene = new Scene(planOf(['a', 'b'], { command: 'clusterlift upgrade x.iso --nodes a,b --cluster staging' }));
    scene.begin('a', 'upgrade').fail('a', 'upgrade').finish('failed', 1);
    assert.ok(
      renderSummary(scene.view, place, theme).includes(
        '    clusterlift upgrade /home/ann/acme-voice-24.2.0.iso --cluster staging --nodes a',
      ),
    );
  });

  it('keeps hostile names and logs from moving the cursor or widening the table', () => {
    const evil = '\u001b[2J\u001b]8;;http://evil\u0007日本語'.repeat(9);
    const scene = new Scene(planOf([evil])).begin(evil, 'upgrade').fail(evil, 'upgrade', [evil]).finish('failed', 1);
    const lines = renderSummary(scene.view, place, theme);
    // eslint-disable-next-line no-control-regex -- that is the point
    assert.ok(!/[\u0000-\u001f\u007f-\u009f]/.test(lines.join('')));
    assert.ok(lines.slice(0, 2).every((each) => cells(each) <= 80));
  });
});
