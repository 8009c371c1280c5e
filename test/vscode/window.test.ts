import { join } from 'node:path';
import { useEditor } from './harness/fixture';
import { ROOT } from './harness/server';

describe('A window with the installed package', () => {
  const editor = useEditor({ vsix: join(ROOT, 'clusterlift.vsix'), files: { 'notes.txt': 'a workspace' } });

  it('shows the output channel of the extension', async () => {
    const { workbench } = editor;
    await workbench.output('Clusterlift');
    await workbench.screenshot('output');
  });
});
