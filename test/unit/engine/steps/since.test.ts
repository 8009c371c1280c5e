import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import type { RunEvent } from '../../../../src/engine/journal/events';
import type { NodePast } from '../../../../src/engine/node/past';
import { recordText } from '../../../../src/engine/node/record';
import type { Plan } from '../../../../src/engine/journal/plan';
import { seenOf } from '../../../../src/engine/prepare/seen';
import { changeSince, isMidway } from '../../../../src/engine/steps/since';
import { viewOf, type RunView } from '../../../../src/engine/journal/view';
import { nodeModel, planOf } from '../plans';

const RUN = '20260102T000000Z-test-0001';
const EARLIER = '20260101T000000Z-test-0000';
const LATER = '20260103T000000Z-test-0002';
const SHA = 'a'.repeat(64);

/** A node as far as its past goes: each act is one that a run, or somebody by hand, does there. */
class Model {
  version: string | null = '1.0';
  time = 100;
  epoch = 0;
  changed: string | undefined;
  record: string | undefined;
  requests: string[] = [];

  /** Takes the lock, and changes nothing. */
  lock(): void {
    this.epoch++;
  }

  /** Runs a job that changes the node. `old`: by a version that does not write `lock/changed`. */
  change(run: string, version: string | null, recorded: boolean, old = false): void {
    this.lock();
    this.time++;
    if (!old) this.changed = `${String(this.epoch)} ${run}`;
    if (recorded) {
      const text = recordText({ run, product: 'acme', from: this.version, to: version, sha256: SHA });
      this.record = text.replace('"time":0', `"time":${String(this.time)}`).replace('begun', 'done');
    }
    this.version = version;
  }

  past(): NodePast {
    const product = { product: 'acme', record: this.record, manifest: undefined, files: undefined };
    return { changed: this.changed, products: this.record ? [product] : [], requests: this.requests };
  }
}

function plannedOn(node: Model, over: Partial<Plan> = {}, requests: readonly ('provision' | 'reboot')[] = []): Plan {
  const base = planOf(['n'], { run: RUN, ...over });
  const past = node.past();
  const probe = { model: nodeModel('n'), facts: past, version: node.version ?? undefined, versionError: undefined };
  const seen = seenOf(probe as unknown as Parameters<typeof seenOf>[0], true);
  return {
    ...base,
    nodes: base.nodes.map((each) => ({ ...each, from: node.version ?? undefined, to: '2.0', requests, seen })),
  };
}

function viewAfter(plan: Plan, ...events: readonly RunEvent[]): RunView {
  const entries = events.map((event, index) => ({ ...event, seq: index + 1, time: '', prev: '' }));
  return viewOf(plan, entries);
}

const step = (name: 'stop' | 'upgrade' | 'provision' | 'restore', lane: 'main' | 'rollback' = 'main'): RunEvent => ({
  type: 'step.started',
  node: 'n',
  step: name,
  lane,
  attempt: 1,
});
const finished = (outcome: 'upgraded' | 'rolled-back' | 'failed' | 'unchanged' | 'unknown'): RunEvent => ({
  type: 'node.finished',
  node: 'n',
  outcome,
});

/** Acts of others, with whether they change the node. */
const others = fc.oneof(
  fc.constant({
    name: 'a lock only',
    changes: false,
    do: (node: Model): void => {
      node.lock();
    },
  }),
  fc.constant({
    name: 'a backup',
    changes: false,
    do: (node: Model): void => {
      node.lock();
    },
  }),
  fc.constant({
    name: 'a request of a later backup',
    changes: false,
    do: (node: Model): void => {
      node.requests.push('provision');
    },
  }),
  fc.constantFrom(LATER, EARLIER).chain((run) =>
    fc
      .record({ version: fc.constantFrom('1.0', '1.5', '2.0', '3.0', null), recorded: fc.boolean() })
      .map(({ version, recorded }) => ({
        name: `a change by ${run} to ${String(version)}, ${recorded ? '' : 'not '}recorded`,
        changes: true,
        do: (node: Model): void => {
          node.change(run, version, recorded);
        },
      })),
  ),
  fc.constantFrom('1.5', '2.0', '3.0', null).map((version) => ({
    name: `by hand to ${String(version)}`,
    changes: true,
    do: (node: Model): void => {
      node.version = version;
    },
  })),
  fc.constantFrom('1.5', '3.0').map((version) => ({
    name: `by an earlier Clusterlift to ${version}`,
    changes: true,
    do: (node: Model): void => {
      node.change(LATER, version, true, true);
    },
  })),
);

/** What happened on the node before the plan. */
const before = fc.array(fc.constantFrom(EARLIER, '20251231T000000Z-test-9999'), { maxLength: 3 });

describe('what others changed since a plan was made', () => {
  it('nothing began: it is told exactly where others changed something', () => {
    fc.assert(
      fc.property(before, fc.array(others, { maxLength: 5 }), (earlier, acts) => {
        const node = new Model();
        for (const run of earlier) node.change(run, '1.0', true);
        const plan = plannedOn(node);
        for (const act of acts) act.do(node);
        const change = changeSince(plan, viewAfter(plan), 'n', node.past(), node.version);
        // What goes by hand and comes back by hand cannot be known, and harms nobody.
        const handsOnly = acts.filter(({ changes }) => changes).every(({ name }) => name.startsWith('by hand'));
        const expected = handsOnly ? node.version !== '1.0' : true;
        assert.equal(change !== undefined, expected, acts.map(({ name }) => name).join('; '));
        if (change) assert.ok(change.what.length > 0);
      }),
    );
  });

  it('this run upgraded it: told exactly where others came after it', () => {
    fc.assert(
      fc.property(before, fc.boolean(), fc.array(others, { maxLength: 4 }), (earlier, lags, acts) => {
        const node = new Model();
        for (const run of earlier) node.change(run, '1.0', true);
        const plan = plannedOn(node);
        node.change(RUN, '2.0', true);
        // A journal from a node may end before what the run did last.
        const view = lags ? viewAfter(plan) : viewAfter(plan, step('upgrade'), finished('upgraded'));
        assert.equal(changeSince(plan, view, 'n', node.past(), node.version), undefined);
        for (const act of acts) act.do(node);
        const change = changeSince(plan, view, 'n', node.past(), node.version);
        const byRun = acts.some(({ name, changes }) => changes && !name.startsWith('by hand'));
        if (byRun) assert.ok(change, acts.map(({ name }) => name).join('; '));
        else
          assert.equal(change !== undefined, !lags && node.version !== '2.0', acts.map(({ name }) => name).join('; '));
      }),
    );
  });

  it('a plan that does not say what it saw: a later run, and another version, are told; earlier runs are not', () => {
    fc.assert(
      fc.property(before, fc.option(others, { nil: undefined }), (earlier, act) => {
        const node = new Model();
        for (const run of earlier) node.change(run, '1.0', true);
        const whole = plannedOn(node);
        const plan = { ...whole, nodes: whole.nodes.map((each) => ({ ...each, seen: undefined })) };
        act?.do(node);
        const change = changeSince(plan, viewAfter(plan), 'n', node.past(), node.version);
        const later = act?.changes === true && (act.name.includes(LATER) || act.name.includes('earlier Clusterlift'));
        assert.equal(change !== undefined, later || node.version !== '1.0', act?.name);
      }),
    );
  });

  it('midway, any version is possible; a run of others is told all the same', () => {
    const node = new Model();
    const plan = plannedOn(node);
    const view = viewAfter(plan, step('stop'), step('upgrade'));
    node.change(RUN, '7.0', true);
    assert.equal(changeSince(plan, view, 'n', node.past(), '7.0'), undefined);
    node.change(LATER, '3.0', true);
    assert.deepEqual(changeSince(plan, view, 'n', node.past(), undefined), {
      node: 'n',
      what: [`run ${LATER} changed it`],
      version: '3.0',
    });
  });

  it('which nodes are midway', () => {
    const plan = plannedOn(new Model());
    const midway = (action: Plan['action'], ...events: RunEvent[]): boolean => {
      const node = viewAfter(plan, ...events).nodes['n'];
      assert.ok(node);
      return isMidway({ action }, node);
    };
    assert.deepEqual(
      [
        midway('upgrade'),
        midway('upgrade', step('stop')),
        midway('upgrade', step('stop'), finished('unknown')),
        midway('upgrade', step('upgrade'), finished('upgraded')),
        midway('upgrade', step('upgrade'), finished('failed')),
        midway('upgrade', step('upgrade'), finished('upgraded'), step('stop', 'rollback')),
        midway('upgrade', step('upgrade'), finished('failed'), step('stop', 'rollback')),
        midway('upgrade', step('upgrade'), step('stop', 'rollback'), finished('rolled-back')),
        midway('restore', step('restore'), step('restore', 'rollback')),
        midway('restore', step('restore'), step('restore', 'rollback'), finished('failed')),
        midway('provision', step('provision')),
      ],
      [false, true, true, false, false, true, true, false, true, false, true],
    );
  });

  it('a request that is gone is told only where this run did not fulfil it', () => {
    const node = new Model();
    node.requests = ['provision', 'reboot'];
    const plan = plannedOn(node, {}, ['provision', 'reboot']);
    node.requests = ['provision'];
    const told = (...events: RunEvent[]): readonly string[] | undefined =>
      changeSince(plan, viewAfter(plan, ...events), 'n', node.past(), '1.0')?.what;
    assert.deepEqual(told(), ['the reboot that it waited for is done']);
    node.requests = [];
    assert.deepEqual(told(step('provision')), ['the reboot that it waited for is done']);
    assert.equal(told(step('provision'), { ...step('stop'), step: 'reboot' } as RunEvent), undefined);
  });

  it('what a node says of itself is bounded: records that make no sense count for nothing', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (product, record) => {
        const node = new Model();
        const plan = plannedOn(node);
        const products = [{ product, record, manifest: undefined, files: undefined }];
        assert.equal(changeSince(plan, viewAfter(plan), 'n', { ...node.past(), products }, '1.0'), undefined);
      }),
    );
    const node = new Model();
    node.change(EARLIER, '1.0', true);
    const past = node.past();
    const products = past.products.map((each) => ({ ...each, product: '__proto__' }));
    const plan = plannedOn(Object.assign(new Model(), { past: () => ({ ...past, products }) }));
    assert.equal(changeSince(plan, viewAfter(plan), 'n', { ...past, products }, '1.0'), undefined);
  });
});
