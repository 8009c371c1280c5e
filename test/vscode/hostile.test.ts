import { strict as assert } from 'node:assert';
import { existsSync } from 'node:fs';
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { newRunId, planDigest, Runs, type OwnedRun } from '../../src/engine/journal/runs';
import { line } from '../../src/base/text';
import { acmePackage } from '../lab/acme';
import { planNode, planOf } from '../unit/terminal/scenes';
import { useEditor } from './harness/fixture';
import { ROOT } from './harness/server';
import { until } from './harness/until';

const LINK = '[click](command:workbench.action.files.newUntitledFile)';
const EVIL = `\u001b[31mred\u001b]0;title\u0007 $(bell) <img src=x onerror=alert(1)> ${LINK} "'\`$(touch PWNED)\`; touch PWNED`;

/** The same where control characters are refused. */
const PRINTABLE = line(EVIL);

const CLUSTERS = { staging: { nodes: [{ name: 'n1', host: '127.0.0.1', port: 1 }] } };
/** As much as an address may hold. */
const ADDRESS = `file:///srv/$(bell)${LINK}<img/src="x"/onerror=alert(1)>'\`$(touch$IFS"PWNED")\`;touch$IFS"PWNED"`;
const GOOD = JSON.stringify({ clusters: CLUSTERS, backupLocations: { evil: ADDRESS } });
const BAD = {
  clusters: { ...CLUSTERS, [EVIL]: { nodes: [] } },
  backupLocations: { [EVIL]: 'file:///srv', evil: `file:///srv/${EVIL}` },
};

/** What a node, a package, a file or a name may say: everywhere it is text, and nothing else. */
describe('Hostile text', function () {
  this.timeout(600_000);
  const editor = useEditor({
    vsix: join(ROOT, 'clusterlift.vsix'),
    files: { '.vscode/clusters.json': JSON.stringify(BAD, null, 2) },
    settings: { 'clusterlift.refreshOnShow': false },
  });
  let owned: OwnedRun;

  before(async () => {
    const { workbench, server, folder } = editor;
    await workbench.container('Clusters');
    await workbench.tree('Runs').expand();
    const configFile = join(folder, '.vscode/clusters.json');
    const plan = planOf(['n1'], {
      run: newRunId('staging'),
      cluster: 'staging',
      configFile,
      command: 'clusterlift upgrade',
      nodes: [planNode('n1', { from: EVIL })],
    });
    owned = await new Runs(join(server.home, '.local/state/clusterlift')).create(plan);
    const { run, action, cluster } = plan;
    const { journal } = owned;
    await journal.append({
      type: 'run.started',
      run,
      action,
      cluster,
      plan: planDigest(plan),
      host: 'h',
      pid: 1,
      epoch: 1,
    });
    await writeFile(
      join(owned.folder, 'n1.log'),
      `first\n${EVIL}\n${'y'.repeat(10 * 1024 * 1024)}\n\u001b[2J${EVIL}\nlast line\n`,
    );
  });

  after(() => owned.journal.close());

  afterEach(async () => {
    const { page } = editor.workbench;
    assert.equal(
      await page.locator('a[href^="command:"], a[data-href^="command:"]').filter({ hasText: 'click' }).count(),
      0,
    );
    assert.equal(await page.locator('img[src^="x"]').count(), 0);
    for (const folder of [editor.folder, editor.server.home, process.cwd(), owned.folder])
      assert.equal(existsSync(join(folder, 'PWNED')), false);
  });

  /** A tooltip is markdown: nothing in it becomes markup. */
  async function textOnly(text: string): Promise<void> {
    const hover = editor.workbench.page.locator('.workbench-hover').filter({ hasText: text });
    await hover.waitFor();
    assert.equal(await hover.locator('a, img, .codicon').count(), 0);
    // What became markup, or was left out as such, would not stand there.
    assert.match(await hover.innerText(), /\[click\]\(command:[^]*<img/);
  }

  it('of clusters.json is a mistake with its line, and no row', async () => {
    const { workbench } = editor;
    await workbench.command('Problems: Focus on Problems View');
    const problems = workbench.page.locator('.markers-panel .monaco-list-row').filter({ hasText: 'Clusterlift' });
    await problems.first().waitFor();
    const texts = (await problems.allInnerTexts()).map((each) => each.replaceAll('\u00a0', ' '));
    await workbench.screenshots('hostile-problems');
    for (const text of texts) assert.match(text, /\[Ln ([2-9]|\d\d), Col \d+\]/);
    assert.ok(texts.some((text) => text.includes('<img src=x onerror=alert(1)>')));
    assert.equal(await problems.locator('.codicon-bell').count(), 0);
    for (const view of ['Clusters', 'Restore Points']) assert.deepEqual(await workbench.tree(view).rows(), [], view);
  });

  it('of a backup location: in its row, and in the tooltip', async () => {
    const { workbench } = editor;
    await writeFile(join(editor.folder, '.vscode/clusters.json'), GOOD);
    await until('the cluster', async () => (await workbench.tree('Clusters').rows()).length === 1);
    const points = workbench.tree('Restore Points');
    await points.expand();
    await until('the locations', async () => (await points.rows()).length === 2);
    await points.open('staging: evil');
    await until('what it says', async () => /unreachable|reached/.test((await points.rows())[0]?.description ?? ''));
    await points.row('staging: evil').hover();
    await textOnly('bell');
    await workbench.screenshots('hostile-location');
  });

  it('of a node that failed: in the tree, in the one notification, and in what is read aloud', async () => {
    const { workbench } = editor;
    const runs = workbench.tree('Runs');
    await until('the run', async () => (await runs.rows()).length > 0);
    const { journal } = owned;
    const error = { code: 'upgrade-failed' as const, message: `bin/upgrade said ${EVIL}`, hint: EVIL, log: [EVIL] };
    const key = { node: 'n1', step: 'upgrade', lane: 'main', attempt: 1 } as const;
    await journal.append({ type: 'step.started', ...key });
    await journal.append({ type: 'step.finished', ms: 5, ...key, result: 'failed', error });
    await journal.append({ type: 'request', node: 'n1', kind: 'message', text: EVIL });
    await journal.append({ type: 'node.finished', node: 'n1', outcome: 'failed', from: EVIL, error });
    await journal.append({ type: 'run.finished', outcome: 'failed', status: 1, nodes: {} });
    assert.match(await toastOf('bin/upgrade said'), /<img src=x onerror=alert\(1\)> \[click\] \(command:/);
    await workbench.screenshots('hostile-notification');
    const [run] = await runs.rows();
    await runs.open(run?.label ?? '');
    const step = await until('the step', async () => (await runs.rows()).find(({ level }) => level === 3));
    assert.match(step.description, /\$\(bell\) <img src=x/);
    assert.ok(!/\p{Cc}/u.test(step.spoken), step.spoken);
    assert.equal(await runs.row('upgrade').locator('.codicon-bell').count(), 0);
    await runs.row('upgrade').hover();
    await textOnly('bell');
    await workbench.screenshots('hostile-tooltip');
    // The version that it came from, and what its script had to say.
    const node = (await runs.rows()).find(({ level }) => level === 2);
    assert.match(node?.description ?? '', /\$\(bell\) <img src=x/);
    assert.ok(!/\p{Cc}/u.test(`${node?.spoken ?? ''}${node?.description ?? ''}`), node?.spoken);
    await runs.row('n1').hover();
    await textOnly('bell');
  });

  it('of a log with a line of 10 MB: its end, without escapes, in its channel', async () => {
    const { workbench } = editor;
    const runs = workbench.tree('Runs');
    await runs.menu('n1', 'Show Node Output');
    await until('the end of the log', async () => (await workbench.outputText()).includes('last line'));
    const text = await workbench.outputText();
    assert.ok(text.includes('<img src=x onerror=alert(1)>'), text.slice(-2000));
    assert.ok(!text.includes('\u001b'));
    await workbench.screenshots('hostile-output');
  });

  it('of a run that is followed: in the terminal as it is, in no colour of its own, and not in the title', async () => {
    const { workbench } = editor;
    await workbench.tree('Runs').menu('upgrade staging', 'Follow Run');
    const text = await workbench.terminalShows(/Exit status 1[^]*Press any key/);
    // Once as the version that the node came from, once in the error.
    assert.match(text, /n1 +red \$\(bell\) <img/);
    assert.match(text, /bin\/upgrade said red \$\(bell\) <img src=x onerror=alert\(1\)>/);
    assert.deepEqual(await coloursOf(workbench.page, 'red'), []);
    const titles = await workbench.page.locator('.single-terminal-tab, .terminal-tabs-entry').allInnerTexts();
    assert.deepEqual(
      titles.map((each) => each.trim()),
      ['upgrade staging'],
    );
    await workbench.screenshots('hostile-follow');
    await workbench.terminalPress('Enter');
  });

  it('of a package’s name: what is looked at is that file, and its name is shown as it is', async () => {
    const { workbench } = editor;
    const image = join(editor.server.home, `$(bell) [click](command:x) "$(touch PWNED)" ';touch PWNED;'.iso`);
    await copyFile((await acmePackage('2.0')).path, image);
    await inspect(image);
    await until('what is in it', async () => (await document()).includes('acme'));
    // It is among the recent ones now.
    await workbench.command('Clusterlift: Inspect Package…');
    const pick = workbench.quickInput();
    await until('the recent one', async () =>
      (await pick.items()).some(({ label }) => label.includes('$(bell) [click]')),
    );
    await workbench.screenshots('hostile-package');
    await pick.cancel();
  });

  it('in a package’s manifest and in the names of its members', async () => {
    const script = `bin/${PRINTABLE}`;
    const { path } = await acmePackage('2.0', {
      files: { [script]: '#!/bin/sh\n' },
      manifest: {
        scripts: { version: 'bin/version', upgrade: 'bin/upgrade', check: script },
        backup: { paths: [`/srv/${PRINTABLE}`], exclude: [PRINTABLE] },
      },
    });
    await inspect(path);
    await until('what is backed up', async () =>
      (await document()).includes(`/srv/red $(bell) <img src=x onerror=alert(1)> [click](command:`),
    );
    await editor.workbench.screenshots('hostile-manifest');
  });

  it('in a manifest that is refused: why stands in the list of packages, as it is', async () => {
    const { workbench } = editor;
    const scripts = { version: 'bin/version', upgrade: 'bin/upgrade', check: `bin/${PRINTABLE}` };
    await inspect((await acmePackage('2.0', { manifest: { scripts } })).path);
    assert.match(
      await refusal(),
      /\$\(bell\) <img src=x onerror=alert\(1\)> \[click\]\(command:.* "'`\$\(touch PWNED\)`/,
    );
    await workbench.screenshots('hostile-manifest-refused');
    await workbench.quickInput().cancel();
    // A version is a plain word, a range is made of such, and no other key is known.
    for (const [manifest, why] of [
      [{ version: EVIL }, /"version" must be/],
      [{ compatible: { from: `>=1 ${EVIL}` } }, /"compatible.from" must be/],
      [{ [EVIL]: true }, /the key "red \$\(bell\) <img/],
    ] as const) {
      await inspect((await acmePackage('2.0', { manifest })).path);
      assert.match(await refusal(), why);
      await workbench.quickInput().cancel();
    }
  });

  it('and of all that, one notification was shown', async () => {
    const { workbench } = editor;
    // Opened twice: the editor lists one twice that was added while its list was hidden.
    for (const what of ['Show', 'Hide', 'Show']) await workbench.command(`Notifications: ${what} Notifications`);
    const shown = workbench.page.locator('.notifications-center .notification-list-item');
    await shown.first().waitFor();
    await workbench.screenshots('hostile-notifications');
    assert.equal(await shown.count(), 1);
  });

  /** As a person has a package looked at. */
  async function inspect(image: string): Promise<void> {
    const { workbench } = editor;
    await workbench.command('Clusterlift: Inspect Package…');
    const pick = workbench.quickInput();
    await pick.choose(/Enter a URL/);
    await until('the field', async () => (await pick.message()).includes('URL or path'));
    await pick.type(image);
    await pick.accept();
  }

  /** Why a package cannot be used, in the list that asks for another one. */
  async function refusal(): Promise<string> {
    const pick = editor.workbench.quickInput();
    const said = await until('why not', async () =>
      (await pick.items()).find(({ label }) => label.includes('This package cannot be used')),
    );
    const row = pick.row(/This package cannot be used/);
    assert.equal(await row.locator('a[href], img, .codicon-bell').count(), 0);
    return said.detail;
  }

  /** The text of the editor. */
  async function document(): Promise<string> {
    const lines = editor.workbench.page.locator('.editor-group-container .view-lines').first();
    return (await lines.innerText()).replaceAll('\u00a0', ' ').replaceAll('\n', '');
  }

  /** What a notification says once it is there: it holds no link. */
  async function toastOf(text: string): Promise<string> {
    const { workbench } = editor;
    const toast = workbench.page.locator('.notification-list-item:visible').filter({ hasText: text }).first();
    await until(text, async () => {
      if (!(await toast.isVisible())) await workbench.command('Notifications: Show Notifications');
      await toast.waitFor({ timeout: 2_000 });
      return true;
    });
    const message = toast.locator('.notification-list-item-message');
    assert.equal(await message.locator('a').count(), 0);
    return message.innerText();
  }
});

/** Colours of the places in the terminal in view where the text stands; the usual one is none. */
function coloursOf(page: Page, text: string): Promise<number[]> {
  return page.evaluate((wanted) => {
    interface Cell {
      isFgDefault(): boolean;
      getFgColor(): number;
    }
    interface Line {
      translateToString(): string;
      getCell(x: number): Cell | undefined;
    }
    interface Terminal extends Element {
      readonly xterm?: { buffer: { active: { length: number; getLine(index: number): Line | undefined } } };
    }
    const shown = [...document.querySelectorAll<Terminal>('.terminal-wrapper')].filter((each) =>
      each.checkVisibility(),
    );
    const buffer = shown.at(-1)?.xterm?.buffer.active;
    const colours: number[] = [];
    for (let index = 0; index < (buffer?.length ?? 0); index++) {
      const line = buffer?.getLine(index);
      const at = line?.translateToString().indexOf(wanted) ?? -1;
      const cell = at < 0 ? undefined : line?.getCell(at);
      if (cell && !cell.isFgDefault()) colours.push(cell.getFgColor());
    }
    return colours;
  }, text);
}
