import { strict as assert } from 'node:assert';
import { useEditor } from './harness/fixture';
import { until } from './harness/until';

// The helpers that drive the window, tried on parts of the editor itself: when one of these fails, the editor has
// changed, not the extension.
describe('Driving a window as a person would', () => {
  const editor = useEditor({ files: { 'notes.md': '# Heading of the notes', 'folder/inner.txt': 'inner' } });

  it('changes the theme', async () => {
    for (const theme of ['dark', 'high-contrast', 'light'] as const) {
      await editor.workbench.theme(theme);
      await editor.workbench.screenshot(`harness-${theme}`);
    }
  });

  it('reads a quick pick, types into it, cancels it and picks from it', async () => {
    const { workbench } = editor;
    await workbench.command('Preferences: File Icon Theme');
    const pick = await workbench.quickInput().open();
    const labels = (await pick.items()).map((item) => item.label);
    assert.ok(labels.includes('None'), labels.join(', '));
    await pick.type('nothing has this name');
    await until('an empty list', async () => (await pick.items()).every((item) => !item.label.startsWith('None')));
    await pick.cancel();
    assert.equal(await pick.isOpen(), false);
    await workbench.command('Preferences: File Icon Theme');
    await (await workbench.quickInput().open()).choose('None');
    await pick.closed();
  });

  it('opens a tree, right-clicks a row and confirms in a dialog', async () => {
    const { workbench } = editor;
    await workbench.container('Explorer');
    const files = workbench.tree('Explorer');
    await files.expand();
    await files.open('folder');
    const rows = await until('the file in the folder', async () => {
      const all = await files.rows();
      return all.some((row) => row.label === 'inner.txt') ? all : undefined;
    });
    assert.deepEqual(
      rows.map(({ label, expanded }) => ({ label, expanded })),
      [
        { label: 'folder', expanded: true },
        { label: 'inner.txt', expanded: undefined },
        { label: 'notes.md', expanded: undefined },
      ],
    );
    assert.ok((await files.menuEntries('inner.txt')).includes('Delete Permanently'));
    await files.menu('inner.txt', 'Delete Permanently');
    const dialog = await workbench.dialog();
    assert.match(dialog.text, /inner\.txt/);
    assert.ok(dialog.buttons.includes('Cancel'), dialog.buttons.join(', '));
    await workbench.screenshot('harness-dialog');
    await workbench.dialogButton('Cancel');
  });

  it('types into a terminal and reads it', async () => {
    const { workbench } = editor;
    await workbench.command('Terminal: Create New Terminal');
    await until('a prompt', async () => (await workbench.terminalText()) !== '');
    await workbench.terminalType('echo $((6 * 7))xyz\n');
    assert.match(await workbench.terminalShows(/^42xyz$/m), /echo/);
    await workbench.screenshot('harness-terminal');
  });

  it('reads the notification centre', async () => {
    const { workbench } = editor;
    await workbench.command('File: New Untitled Text File');
    await workbench.command('Terminal: Run Active File In Active Terminal');
    await until('the warning', async () =>
      (await workbench.notifications()).some(
        (each) => each.severity === 'warning' && each.message.startsWith('Only files on disk can be run'),
      ),
    );
  });

  it('looks into a webview', async () => {
    const { workbench } = editor;
    await workbench.container('Explorer');
    await workbench.tree('Explorer').row('notes.md').dblclick();
    await workbench.command('Markdown: Open Preview');
    const page = await workbench.webview();
    assert.match(
      await until('the heading', () => page.evaluate(() => document.body.innerText)),
      /Heading of the notes/,
    );
    await workbench.screenshot('harness-webview');
  });

  it('reloads the window: the old extension host ends, a new one activates the extension', async () => {
    const [old] = editor.server.extensionHosts.slice(-1);
    await editor.workbench.reload();
    assert.notEqual(editor.server.extensionHosts.at(-1), old);
    await until('the end of the old extension host', () => {
      try {
        process.kill(old ?? 0, 0);
        return false;
      } catch {
        return true;
      }
    });
    assert.ok((await editor.workbench.statusBar()).length > 0);
  });
});
