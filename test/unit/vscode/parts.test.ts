import { strict as assert } from 'node:assert';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { labelsOf } from '../../../src/vscode/clusters/names';
import { OutputBuffer } from '../../../src/vscode/output/buffer';
import { asLabel, asMessage } from '../../../src/vscode/shared/escape';
import { nodeLog, nodeLogPath } from '../../../src/vscode/output/node-log';
import { pointRows } from '../../../src/vscode/points/rows';
import type { RunRecord } from '../../../src/engine/journal/runs';
import type { RunHub } from '../../../src/vscode/runs/hub';
import { pauseAfter, type RunsModel } from '../../../src/vscode/runs/model';
import { StatusBar } from '../../../src/vscode/status-bar';
import { endSentence } from '../../../src/vscode/views/ends';
import { nodeWords, versionsWords } from '../../../src/vscode/views/words';
import { plannedOf } from '../../../src/vscode/wizard/planned';
import { hostsOf } from '../../../src/vscode/wizard/ssh-hosts';

/** What the stand-in for the editor keeps. */
const { statusBarItem } = createRequire(__filename)('./stub.cjs') as { statusBarItem: { text?: string } };

describe('Parts of the editor that need no editor', () => {
  it('show a name that two folders have with its folder, and with more where that is the same, too', () => {
    const at = (
      name: string,
      folder: string | undefined,
      file: string,
    ): { name: string; folder: string | undefined; file: string } => ({ name, folder, file });
    const [one, two] = ['/a/w/.vscode/clusters.json', '/b/w/.vscode/clusters.json'];
    assert.deepEqual(labelsOf([at('x', 'w', one), at('y', 'w', one)]), ['x', 'y']);
    assert.deepEqual(labelsOf([at('x', 'w', one), at('x', undefined, '/home/u')]), ['w/x', 'user/x']);
    assert.deepEqual(labelsOf([at('x', 'w', one), at('x', 'w', two)]), ['a/w/x', 'b/w/x']);
  });

  it('hand on bounded batches of output, without escapes, the latest first to stay', () => {
    const buffer = new OutputBuffer({ batch: 100, line: 50 });
    buffer.add('\u001b[31mred\u001b[0m\nhalf');
    assert.deepEqual(buffer.take(), { skipped: 0, text: 'red\n' });
    buffer.add(' a line\n');
    assert.deepEqual(buffer.take(), { skipped: 0, text: 'half a line\n' });
    for (let index = 0; index < 1000; index++) buffer.add(`line ${String(index)}\n`);
    const { skipped, text } = buffer.take();
    assert.ok(text.length <= 100 && text.endsWith('line 999\n'), text);
    assert.equal(skipped, 1000 - text.trimEnd().split('\n').length);
    assert.equal(buffer.empty, true);
  });

  it('keep no line without an end in memory', () => {
    const buffer = new OutputBuffer({ batch: 1000, line: 50 });
    for (let index = 0; index < 100; index++) buffer.add('x'.repeat(40));
    assert.ok(buffer.take().text.length <= 1000);
  });

  it('keep no line that follows others without an end, and count what they leave out', () => {
    const buffer = new OutputBuffer({ batch: 1000, line: 50 });
    buffer.add(`one\ntwo\n${'y'.repeat(10 * 1024 * 1024)}`);
    const { skipped, text } = buffer.take();
    assert.equal(text.length, 1000);
    assert.equal(skipped, 2);
    buffer.add('z\n');
    assert.equal(buffer.take().text, 'z\n');
  });

  it('read the end of a log only, however long it is', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'clusterlift-log-'));
    try {
      await writeFile(nodeLogPath(folder, '../n 1'), `${'x'.repeat(100_000)}\nthe end\n`);
      assert.deepEqual(await readdir(folder), ['.._n_1.log']);
      assert.equal(await nodeLog(folder, '../n 1', 9), '\nthe end\n');
      assert.equal(await nodeLog(folder, 'nobody', 9), '');
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('show foreign text as text, where the editor would make icons and links of it', () => {
    assert.equal(asLabel('$(pass) ok \u001b[31m$(x)\n'), '\\$(pass) ok \\$(x)');
    assert.equal(asLabel('$(sync~spin) $(a b) $(a_b) $()'), '\\$(sync~spin) $(a b) $(a_b) $()');
    assert.equal(asMessage('see [this](command:evil?%22x%22)'), 'see [this] (command:evil?%22x%22)');
    assert.equal(asMessage('x'.repeat(5000)).length, 1000);
  });

  it('show a version as one short line, whatever the script that tells it says', () => {
    const evil = '$(bell)\u001b]0;title\u0007 1\n\u001b[31m2';
    assert.equal(versionsWords({ from: evil, to: '24.2.0' }), '$(bell) 1 2 → 24.2.0');
    assert.equal(versionsWords({ from: '24.2.0', to: '24.2.0' }), '24.2.0');
    assert.equal(versionsWords({ from: undefined, to: 'x'.repeat(1000) })?.length, 80);
    assert.equal(versionsWords({ from: undefined, to: undefined }), undefined);
    const status = { node: 'n1', roles: [], lastRun: undefined, note: undefined, asked: 1, answered: 1 } as const;
    assert.equal(nodeWords({ ...status, version: evil, health: 'healthy' }), '$(bell) 1 2 · healthy');
  });

  it('say of a node only what is known', () => {
    const status = {
      node: 'n1',
      roles: [],
      lastRun: undefined,
      note: undefined,
      asked: 1,
      answered: undefined,
    } as const;
    assert.equal(nodeWords(undefined), 'status unknown');
    assert.equal(nodeWords({ ...status, version: undefined, health: 'unreachable' }), 'unreachable');
    assert.equal(nodeWords({ ...status, version: '24.2.0', health: 'unreachable' }), '24.2.0 · unreachable');
    const untouched = { ...status, version: undefined, health: 'not-asked', answered: 1 } as const;
    assert.equal(nodeWords(untouched), 'not managed by Clusterlift yet');
  });

  it('tell the end of a run in one sentence, with node and cause where it failed', () => {
    const end = (state: string, view: object, action = 'upgrade'): string => {
      const plan = { action, cluster: 'staging', nodes: [{}, {}, {}], package: { version: '24.2.0' } };
      return endSentence({ plan, state, view: { nodes: {}, ...view } } as unknown as RunRecord);
    };
    const times = { startedAt: '2026-11-22T20:00:00.000Z', finishedAt: '2026-11-22T20:01:22.000Z' };
    const good = { outcome: 'succeeded', ...times };
    assert.equal(end('finished', good), 'staging was upgraded to 24.2.0 (3 nodes, 1m22s)');
    assert.equal(end('finished', good, 'backup'), 'staging was backed up (3 nodes, 1m22s)');
    assert.equal(end('finished', { outcome: 'succeeded' }, 'restore'), 'staging was restored (3 nodes)');
    const nodes = { n1: { name: 'n1' }, n3: { name: 'n3', error: { code: 'disk-full', message: 'no space' } } };
    assert.equal(
      end('finished', { outcome: 'failed', nodes }),
      'Upgrade of staging failed on n3: no space [disk-full]',
    );
    assert.equal(
      end('finished', { outcome: 'rolled-back', nodes }),
      'Upgrade of staging failed on n3 and was rolled back: no space [disk-full]',
    );
    assert.equal(end('finished', { outcome: 'stopped' }), 'Upgrade of staging was stopped');
    assert.equal(end('undecided', { nodes }), 'Upgrade of staging needs your decision – n3: no space [disk-full]');
    assert.equal(end('interrupted', {}, 'provision'), 'Provisioning of staging was interrupted');
  });

  it('show no icon in the status bar that a name asks for', () => {
    const plan = { action: 'upgrade', cluster: '$(bell)\u001b[31m', command: '' };
    const records = [{ run: 'r', state: 'live', plan, view: { nodes: {} }, waitingFor: undefined }];
    let changed = (): void => undefined;
    const runs = {
      records,
      onDidChange: (listener: () => void) => {
        changed = listener;
        return { dispose: () => undefined };
      },
    } as unknown as RunsModel;
    const hub = { view: () => undefined, onEvents: () => ({ dispose: () => undefined }) } as unknown as RunHub;
    new StatusBar(runs, hub);
    changed();
    assert.equal(statusBarItem.text, '$(sync~spin) Upgrade of \\$(bell): 0 of 0 nodes');
  });

  it('look at the folders of runs once a second, less often where that takes long', () => {
    assert.equal(pauseAfter(5, true), 1000);
    assert.equal(pauseAfter(200, true), 4000);
    assert.equal(pauseAfter(5, false), 10_000);
  });

  it('find the hosts of an ssh_config, but no patterns', () => {
    assert.deepEqual(hostsOf('Host a b # c\n  HostName x\nhost=c\nHost *.example *\nMatch host d\nHost "e" !f\n'), [
      'a',
      'b',
      'c',
      'e',
    ]);
  });

  it('say which image an upgrade would take, and from which versions to which', () => {
    const nodes = [
      { name: 'n1', from: '24.1', action: 'change' },
      { name: 'n2', action: 'change' },
      { name: 'n3', from: '24.3', action: 'skip' },
      'nonsense',
    ];
    const source = { kind: 'node', node: 'n1', path: '/root/media/acme.iso' };
    const plan = {
      type: 'plan',
      package: { product: 'acme', version: '24.3', source },
      nodes,
      checks: [{ code: 'a' }],
    };
    assert.deepEqual(plannedOf([{ type: 'progress' }, plan]), {
      package: 'acme 24.3',
      source: 'n1:/root/media/acme.iso',
      path: '/root/media/acme.iso',
      versions: '24.1, not installed → 24.3',
      checks: [{ code: 'a' }],
      nodes: ['n1: 24.1 → 24.3', 'n2: not installed → 24.3', 'n3: nothing to do'],
      asked: true,
    });
    assert.equal(plannedOf([{ ...plan, checks: [{ code: 'not-asked' }] }])?.asked, false);
    assert.equal(plannedOf([{ type: 'run.finished' }]), undefined);
  });

  it('read restore points as far as they make sense, newest first', () => {
    const rows = pointRows(
      [
        7,
        null,
        { id: 'a\u001b[31m1', nodes: { n1: { version: '1', data: { bytes: 5 } } } },
        { id: 'b2', state: 'verified', size: 9, package: { product: 'p', version: '2' } },
      ],
      'nightly',
    );
    assert.deepEqual(
      rows.map(({ id, bytes, version, state }) => ({ id, bytes, version, state })),
      [
        { id: 'b2', bytes: 9, version: '2', state: 'verified' },
        { id: 'a1', bytes: 5, version: '1', state: 'unknown' },
      ],
    );
  });
});
