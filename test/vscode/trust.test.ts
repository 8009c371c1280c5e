import { strict as assert } from 'node:assert';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { useEditor } from './harness/fixture';
import { hostSuite } from './harness/host';
import { until } from './harness/until';

const CLUSTERS = JSON.stringify({ clusters: { staging: { nodes: [{ name: 'n1', host: '127.0.0.1', port: 1 }] } } });
const TASKS = JSON.stringify({
  version: '2.0.0',
  tasks: [{ label: 'up', type: 'clusterlift', command: 'check', cluster: 'staging' }],
});

/** A mistake in it would be a diagnostic, if it was read. */
hostSuite('In a folder that is not trusted', ['host/untrusted.ts'], {
  trust: 'on',
  files: { '.vscode/clusters.json': CLUSTERS.replace('"host"', '"hots"'), '.vscode/tasks.json': TASKS },
  settings: { 'security.workspace.trust.startupPrompt': 'never', 'security.workspace.trust.banner': 'never' },
});

describe('A folder that is not trusted', () => {
  const editor = useEditor({
    trust: 'on',
    files: { '.vscode/clusters.json': CLUSTERS, '.vscode/tasks.json': TASKS },
    settings: { 'security.workspace.trust.startupPrompt': 'never', 'security.workspace.trust.banner': 'never' },
  });

  it('shows no cluster, says why, and offers nothing that connects', async () => {
    const { workbench } = editor;
    await workbench.container('Clusters');
    const tree = workbench.tree('Clusters');
    await until('the reason', async () => (await tree.message()).includes('while the folder is not trusted'));
    assert.deepEqual(await tree.rows(), []);
    await workbench.screenshot('untrusted');
    const palette = await workbench.palette('Clusterlift: ');
    const offered = (await palette.items()).map(({ label }) => label);
    await palette.cancel();
    for (const command of ['Upgrade…', 'Status', 'Check…', 'Roll Back…', 'Open SSH Terminal']) {
      assert.ok(!offered.includes(`Clusterlift: ${command}`), command);
    }
    assert.ok(offered.includes('Clusterlift: Open clusters.json'), offered.join());
  });

  it('starts no process of ours', async () => {
    const processes = await readdir('/proc');
    const ours = processes.filter((each) => /^\d+$/.test(each));
    const { readFile } = await import('node:fs/promises');
    const lines = await Promise.all(ours.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
    const environments = await Promise.all(
      ours.map(async (pid, index) =>
        /cli\.js\0__(?:service|run)/.test(lines[index] ?? '')
          ? readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')
          : '',
      ),
    );
    assert.ok(environments.every((each) => !each.includes(`HOME=${editor.server.home}`)));
    const state = await readdir(join(editor.server.home, '.local/state/clusterlift')).catch(() => []);
    assert.deepEqual(state, []);
  });
});
