import { strict as assert } from 'node:assert';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { openBrowser } from './harness/browser';
import { QuickInput } from './harness/quickinput';
import { ROOT, whyNoEditor } from './harness/server';
import { SOON, until } from './harness/until';

describe('The demo in an editor', function () {
  this.timeout(600_000);
  let demo: ChildProcess | undefined;
  let browser: Browser | undefined;

  before(function () {
    if (whyNoEditor() !== undefined) this.skip();
  });

  after(async () => {
    await browser?.close();
    if (demo?.exitCode === null) demo.kill('SIGKILL');
  });

  it('shows its cluster in a browser, upgrades it, and leaves nothing running behind', async () => {
    const args = ['--import', 'tsx', 'scripts/demo-code.ts', '--browser'];
    demo = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    demo.stdout?.on('data', (text: Buffer) => (said += text.toString()));
    const url = await until('the address', () => /Open (http:\S+)/.exec(said)?.[1], 120_000);
    browser = await openBrowser();
    const page = await browser.newPage();
    page.setDefaultTimeout(120_000);
    await page.goto(url);
    await until(
      'the cluster with its nodes',
      async () => {
        const tab = page.locator('.activitybar').getByRole('tab', { name: 'Clusters' });
        if ((await tab.getAttribute('aria-expanded', { timeout: SOON })) !== 'true') await tab.click({ timeout: SOON });
        const row = page.locator('.monaco-list-row[aria-label^="Cluster "]').first();
        return (await row.getAttribute('aria-label', { timeout: SOON }))?.includes('3 nodes');
      },
      60_000,
    );
    const input = new QuickInput(page);
    for (const entry of ['Tasks: Run Task', 'Upgrade to 2.0']) {
      await until(entry, async () => {
        if (entry.startsWith('Tasks')) await page.keyboard.press('F1');
        await input.type(entry.startsWith('Tasks') ? `>${entry}` : entry, SOON);
        await input.choose(entry, SOON);
        return true;
      });
    }
    const terminal = page.locator('.terminal-wrapper .xterm-rows').last();
    await until('the end of the upgrade', async () => (await terminal.innerText()).includes('Exit'), 120_000);
    assert.match((await terminal.innerText()).replaceAll('\u00a0', ' '), /Exit status 0/);
    await page.screenshot({ path: join(ROOT, 'test/vscode/screenshots/demo-code.png') });
    demo.kill('SIGINT');
    const [status] = (await once(demo, 'exit')) as [number | null];
    assert.equal(status, 0, said);
    await assert.rejects(fetch(url));
  });

  it('takes the editor that is there: puts the package into it, opens the folder, ends with its window', async function () {
    if (process.platform === 'win32') this.skip();
    const bin = await mkdtemp(join(tmpdir(), 'clusterlift-code-'));
    const log = join(bin, 'calls');
    // A desktop editor cannot be had here: this one tells what it was called with, and what it would have opened.
    const code = `#!/bin/sh\n[ "$1" = --version ] && exit 0\nprintf '%s\\n' "$@" "HOME=$HOME" -- >> '${log}'\nfor last; do :; done\n[ -d "$last" ] && ls -A "$last" "$last/.vscode" >> '${log}'\nexit 0\n`;
    await writeFile(join(bin, 'code'), code, { mode: 0o755 });
    try {
      demo = spawn(process.execPath, ['--import', 'tsx', 'scripts/demo-code.ts'], {
        cwd: ROOT,
        env: { ...process.env, PATH: `${bin}:${process.env['PATH'] ?? ''}` },
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      const [status] = (await once(demo, 'exit')) as [number | null];
      assert.equal(status, 0);
      const [install = '', open = '', files = ''] = (await readFile(log, 'utf8')).split('--\n');
      assert.match(
        install,
        /--user-data-dir\n.*\n--extensions-dir\n.*\n--install-extension\n.*clusterlift\.vsix\n--force\n/,
      );
      assert.match(open, /--new-window\n--wait\n.*\/workspace\nHOME=/);
      assert.doesNotMatch(open, new RegExp(`HOME=${homedir()}\\n`)); // Settings and keys of the demo alone.
      for (const file of ['hello-2.0.iso', 'clusters.json', 'tasks.json']) assert.ok(files.includes(file), file);
    } finally {
      await rm(bin, { recursive: true, force: true });
    }
  });
});
