import { strict as assert } from 'node:assert';
import { extendedJournal, parseJournal } from '../../../../src/engine/journal/journal';
import type { RunEvent } from '../../../../src/engine/journal/events';
import { planDigest } from '../../../../src/engine/journal/runs';
import { versionNow } from '../../../../src/engine/journal/versions-now';
import { viewOf } from '../../../../src/engine/journal/view';
import { planOf } from '../plans';

describe('a journal of an earlier version, without `has`', () => {
  const plan = planOf(['a']);
  const { run, action, cluster } = plan;
  const key = { node: 'a', lane: 'main', attempt: 1 } as const;
  const first: RunEvent = {
    type: 'run.started',
    run,
    action,
    cluster,
    plan: planDigest(plan),
    host: 'h',
    pid: 1,
    epoch: 1,
  };

  function versionAfter(...events: readonly RunEvent[]): string | null | undefined {
    const text = extendedJournal('', 'j', [first, ...events, { type: 'node.finished', node: 'a', outcome: 'failed' }]);
    const node = viewOf(plan, parseJournal(text, 'j').entries).nodes['a'];
    assert.ok(node);
    return versionNow(node);
  }

  it('is read, and says a version only where it was proven before the node failed', () => {
    const upgrade: RunEvent[] = [
      { type: 'step.started', ...key, step: 'upgrade' },
      { type: 'step.finished', ...key, step: 'upgrade', ms: 0, result: 'done' },
    ];
    const proven: RunEvent[] = [
      { type: 'step.started', ...key, step: 'version' },
      { type: 'step.finished', ...key, step: 'version', ms: 0, result: 'done', data: { version: '2.0' } },
    ];
    assert.equal(versionAfter(...upgrade), undefined);
    assert.equal(versionAfter(...upgrade, ...proven), '2.0');
  });
});
