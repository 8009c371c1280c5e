import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { useEditor } from './harness/fixture';
import { ROOT } from './harness/server';
import { until } from './harness/until';

describe('A window with the installed package', () => {
  const editor = useEditor({
    vsix: join(ROOT, 'clusterlift.vsix'),
    files: { 'notes.txt': 'a workspace' },
    settings: { 'clusterlift.refreshOnShow': false, 'files.watcherExclude': { '**': true } },
  });

  it('shows the output channel of the extension', async () => {
    const { workbench } = editor;
    await workbench.output('Clusterlift');
    await workbench.screenshots('output');
  });

  it('shows clusters of which the editor told nothing, as soon as somebody looks', async () => {
    const clusters = { staging: { nodes: [{ name: 'n1', host: '127.0.0.1', port: 1 }] } };
    await mkdir(join(editor.folder, '.vscode'));
    await writeFile(join(editor.folder, '.vscode/clusters.json'), JSON.stringify({ clusters }));
    await editor.workbench.container('Clusters');
    const tree = editor.workbench.tree('Clusters');
    await until('the cluster', async () => (await tree.rows()).some(({ label }) => label === 'staging'));
  });
});
