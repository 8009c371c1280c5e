import { strict as assert } from 'node:assert';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { needsLab } from '../integration/cli/scene';
import type { Lab } from '../lab/nodes';
import { openBrowser } from './harness/browser';
import { clusterWithPoint, makeRuns } from './harness/past';
import { EditorServer, ROOT, whyNoEditor } from './harness/server';
import { until } from './harness/until';
import { Workbench } from './harness/workbench';

/** A language that nobody speaks: each text stands in brackets, so that one that is not translated stands out. */
const LANGUAGE = 'qps-ploc';
const pseudo = (text: string): string => `⟦${text}⟧`;

const CLUSTERS = {
  staging: { nodes: [1, 2].map((port) => ({ name: `n${String(port)}`, host: '127.0.0.1', port })) },
  prod: { production: true, nodes: [{ name: 'p1', host: '127.0.0.1', port: 3 }] },
};

/** What is data, not text: names, addresses, command lines, numbers, what the command line says. */
const DATA =
  /\d+\/\d+\/\d{4}, [\d:]+\s[AP]M|\d B\b|cannot be reached: nothing listens there|Check address, network and sshd: `ssh.*|\bport \d+|clusterlift \S.*|Clusterlift|clusters\.json|staging|prod|real|live|nightly|localbackup|127\.0\.0\.1|\b[np]\d\b|\b(?:fast|serial|none|vm)\b|file:\S*|\/\S+/g;

/** The words that stand outside of all brackets. */
function untranslated(text: string): string {
  let outside = text;
  // Brackets lie in brackets where a text holds another.
  for (let before = ''; before !== outside;) {
    before = outside;
    outside = outside.replace(/⟦[^⟦⟧]*⟧/g, '');
  }
  return outside
    .replaceAll('\u00a0', ' ')
    .replace(DATA, '')
    .replace(/[^\p{L}]+/gu, ' ')
    .trim();
}

describe('In a language of which nobody has heard', function () {
  this.timeout(600_000);
  let server: EditorServer | undefined;
  let browser: Browser | undefined;
  let workbench: Workbench;
  let lab: Lab | undefined;

  before(async function () {
    needsLab(this);
    const reason = whyNoEditor();
    if (reason !== undefined) {
      process.stderr.write(`SKIPPED ${this.test?.parent?.fullTitle() ?? ''}: ${reason}\n`);
      this.skip();
    }
    this.timeout(900_000);
    server = await EditorServer.start({ settings: { 'clusterlift.refreshOnShow': false } });
    const extension = join(server.folder, 'pseudo');
    for (const part of ['package.json', 'package.nls.json', 'dist', 'media', 'l10n'])
      await cp(join(ROOT, part), join(extension, part), { recursive: true });
    await translate(join(ROOT, 'package.nls.json'), join(extension, `package.nls.${LANGUAGE}.json`), 'values');
    await translate(
      join(ROOT, 'l10n/bundle.l10n.de.json'),
      join(extension, `l10n/bundle.l10n.${LANGUAGE}.json`),
      'keys',
    );
    const folder = join(server.folder, 'workspace');
    lab = await clusterWithPoint(server.home, join(folder, '.vscode/clusters.json'), CLUSTERS);
    await makeRuns(server.home, join(folder, '.vscode/clusters.json'));
    browser = await openBrowser();
    workbench = await Workbench.open(speaking(browser), server, folder, { extensionDevelopmentPath: extension });
    await workbench.container(pseudo('Clusters'));
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
    await lab?.stop();
  });

  const tree = (name: string): ReturnType<Workbench['tree']> => workbench.tree(pseudo(name));

  it('every row is translated, as it is seen and as it is spoken', async () => {
    const clusters = tree('Clusters');
    await until('the clusters', async () => (await clusters.rows()).length === 3);
    await clusters.open('staging');
    await until('the nodes', async () => (await clusters.rows()).length === 5);
    const points = tree('Restore Points');
    await points.open('real: nightly');
    await until('the point', async () => (await points.rows()).some(({ level }) => level === 2), 60_000);
    const runs = tree('Runs');
    await until('the runs', async () => (await runs.rows()).length === 3);
    const rows = [...(await clusters.rows()), ...(await points.rows()), ...(await runs.rows())];
    for (const { label, description, spoken } of rows) {
      assert.equal(untranslated(label), '', label);
      assert.equal(untranslated(description), '', description);
      assert.equal(untranslated(spoken), '', spoken);
    }
    for (const view of ['Clusters', 'Restore Points', 'Runs']) {
      const message = await tree(view).message();
      assert.equal(untranslated(message), '', message);
    }
    await workbench.screenshot('pseudo-locale');
  });

  it('every command is translated, in the palette and in the menus', async () => {
    const palette = await workbench.palette('clusterlift');
    const titles = await until('the commands', async () => {
      const found = (await palette.items()).map(({ label }) => label).filter((label) => label.includes('Clusterlift'));
      return found.length > 5 ? found : undefined;
    });
    await palette.cancel();
    const menus = [...(await tree('Clusters').menuEntries('staging')), ...(await tree('Clusters').menuEntries('n1'))];
    assert.ok(menus.length > 10, menus.join());
    for (const text of [...titles, ...menus]) assert.equal(untranslated(text), '', text);
  });

  it('every step of the wizards is translated', async () => {
    const pick = workbench.quickInput();
    const see = async (title: string): Promise<void> => {
      await pick.open(title);
      const items = await pick.items();
      const texts = [
        await pick.title(),
        await pick.placeholder(),
        ...items.flatMap(({ label, description, detail }) => [label, description, detail]),
      ];
      for (const text of texts) assert.equal(untranslated(text), '', text);
    };
    await tree('Clusters').menu('staging', pseudo('Upgrade…'));
    await see('(1/5)');
    await pick.choose(/Newest package on the cluster/);
    await see('(2/5)');
    await pick.choose(/at once/);
    await see('(3/5)');
    await pick.choose(/No backup/);
    await see('(4/5)');
    await pick.ok();
    await see('(5/5)');
    await pick.cancel();
    await tree('Clusters').menu('staging', pseudo('Unlock…'));
    await pick.open();
    const message = (await pick.message()).replace(/\([^()]*\)$/, '');
    assert.equal(untranslated(message), '', message);
    await pick.cancel();
    await tree('Clusters').menu('prod', pseudo('Provision…'));
    const { text, buttons } = await workbench.dialog();
    assert.equal(untranslated(text), '', text);
    assert.ok(buttons.includes(pseudo('Provision')), buttons.join());
    await workbench.page.keyboard.press('Escape');
  });

  it('a notification is translated', async () => {
    await workbench.command(`${pseudo('Clusterlift')}: ${pseudo('Forget Saved Secrets')}`);
    const [notification] = await until('the count', async () => {
      const all = await workbench.notifications();
      return all.length > 0 ? all : undefined;
    });
    assert.equal(untranslated(notification?.message ?? '?'), '', notification?.message);
    assert.match(notification?.message ?? '', /⟦0 .+⟧/);
  });

  it('the page of Roll Back is translated', async () => {
    await tree('Clusters').menu('staging', pseudo('Roll Back…'));
    const page = await workbench.webview();
    await until('the page', async () => (await page.locator('h1').count()) > 0);
    const texts = await page.evaluate(() => [
      ...[...document.querySelectorAll('h1, h2, label, legend, button, th, p, [role=status]')].map(
        (each) => each.textContent,
      ),
      ...[...document.querySelectorAll('[aria-label]')].map((each) => each.getAttribute('aria-label') ?? ''),
    ]);
    assert.ok(texts.length > 5);
    // What a location says when it cannot be read comes from the engine, which speaks English.
    for (const text of texts.filter((each) => !/localhost|unreach|nightly|localbackup/.test(each)))
      assert.equal(untranslated(text), '', text);
  });
});

/** @param from what of each entry is the text */
async function translate(file: string, into: string, from: 'keys' | 'values'): Promise<void> {
  const texts = JSON.parse(await readFile(file, 'utf8')) as Record<string, string>;
  const entries = Object.entries(texts).map(([key, value]) => [key, translated(from === 'keys' ? key : value)]);
  await writeFile(into, JSON.stringify(Object.fromEntries(entries)));
}

/** A link or a button of a welcome text is one only outside of brackets. */
function translated(text: string): string {
  return text
    .split('\n')
    .map((line) =>
      /^\[.*\]\(.*\)$/.test(line)
        ? line.replace(/^\[(.*)\]/, (_, label: string) => `[${pseudo(label)}]`)
        : pseudo(line),
    )
    .join('\n');
}

/** The same browser, whose pages say that they speak the language. */
function speaking(browser: Browser): Browser {
  const newContext: Browser['newContext'] = async (options) => {
    const context = await browser.newContext(options);
    await context.addInitScript(`globalThis._VSCODE_NLS_LANGUAGE = ${JSON.stringify(LANGUAGE)}`);
    return context;
  };
  return { newContext } as Browser;
}
