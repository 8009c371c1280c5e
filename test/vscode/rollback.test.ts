import { strict as assert } from 'node:assert';
import { readFile } from 'node:fs/promises';
import type { AxeResults } from 'axe-core';
import type { Frame } from 'playwright-core';
import type { PageState } from '../../src/webview/rollback/protocol';
import { useEditor } from './harness/fixture';
import { until } from './harness/until';

const CLUSTERS = JSON.stringify({ clusters: { staging: { nodes: [{ name: 'n1', host: '127.0.0.1', port: 1 }] } } });

/** Points as the extension sends them: the page in a real editor, its data made here. */
function withPoints(state: PageState): PageState {
  const nodes = [{ name: 'n1', now: '24.2.0', after: '24.1.0', state: 'verified' }];
  const point = {
    time: '11/22/2026, 8:17 PM',
    age: '2 h ago',
    reason: 'before an upgrade',
    package: 'acme-voice 24.1.0',
    versions: '24.1.0',
    size: '1.2 GiB',
    nodes,
    lost: ['Changes made since then.'],
    order: 'All nodes at once.',
    asking: false,
    expected: 'About 3m.',
  };
  return {
    ...state,
    loading: false,
    errors: [],
    points: [
      {
        ...point,
        location: 'nightly',
        id: '20261122T201755Z-staging-4f2a9c',
        state: 'verified',
        verified: true,
        obstacle: undefined,
      },
      {
        ...point,
        location: 'vault',
        id: '<img src=x onerror=alert(1)>',
        reason: 'made <b>by hand</b>',
        state: 'broken',
        verified: false,
        obstacle: 'This restore point is broken and cannot be restored.',
      },
    ],
  };
}

describe('The page of Roll Back', () => {
  const editor = useEditor({
    files: { '.vscode/clusters.json': CLUSTERS },
    settings: { 'clusterlift.refreshOnShow': false },
  });
  let axe: string;
  let words: PageState['words'] | undefined;

  before(async () => {
    axe = await readFile(require.resolve('axe-core/axe.min.js'), 'utf8');
  });

  /** The page with the points made here. What the extension says to it afterwards, a late look at a node say, is kept away. */
  async function show(): Promise<Frame> {
    const page = await editor.workbench.webview();
    await until('the page', async () => (await page.locator('h1').count()) > 0);
    words ??= await wordsOf(page);
    const made = withPoints({
      words,
      cluster: 'staging',
      loading: false,
      errors: [],
      points: [],
      preselect: undefined,
    });
    await page.evaluate((state) => {
      // By it, the editor hands on what the extension says. What is under way already comes before what is said here.
      const say = window.postMessage.bind(window);
      window.postMessage = () => undefined;
      say({ type: 'state', state }, '*');
    }, made);
    await until('two points', async () => (await page.locator('input[type=radio]').count()) === 2);
    return page;
  }

  /** The words that the extension gives its page. */
  function wordsOf(page: Frame): Promise<PageState['words']> {
    return page.evaluate(
      () =>
        new Promise<PageState['words']>((resolve) => {
          const hear = ({ data }: MessageEvent<{ state: PageState }>): void => resolve(data.state.words);
          addEventListener('message', hear, { once: true });
          document.getElementById('refresh')?.click();
        }),
    );
  }

  it('opens for a cluster and says what it found', async () => {
    const { workbench } = editor;
    await workbench.container('Clusters');
    await until('the cluster', async () => (await workbench.tree('Clusters').rows()).length > 0);
    await workbench.tree('Clusters').menu('staging', 'Roll Back…');
    const page = await workbench.webview();
    assert.equal(await until('the title', () => page.locator('h1').innerText()), 'Roll Back staging');
  });

  it('is chosen from by keyboard alone, and shows hostile text as text', async () => {
    const page = await show();
    await page.locator('input[type=radio]').first().focus();
    await editor.workbench.page.keyboard.press('Space');
    await until('the details', async () => (await page.locator('#details').innerText()).includes('24.1.0'));
    assert.equal(await page.locator('#roll-back').isEnabled(), true);
    await editor.workbench.page.keyboard.press('ArrowDown');
    await until('the other one', async () => (await page.locator('#details').innerText()).includes('broken'));
    assert.equal(await page.locator('#roll-back').isEnabled(), false);
    assert.equal(await page.locator('img').count(), 0);
    assert.match(await page.locator('table').first().innerText(), /made <b>by hand<\/b>/);
  });

  it('has no violation that axe finds, in light, dark and high contrast', async () => {
    for (const theme of ['light', 'dark', 'high-contrast'] as const) {
      await editor.workbench.theme(theme);
      const page = await show();
      await page.locator('input[type=radio]').first().check();
      await editor.workbench.screenshot(`rollback-${theme}`);
      await page.evaluate(axe);
      const results = await page.evaluate<AxeResults>('axe.run(document, { resultTypes: ["violations"] })');
      assert.deepEqual(
        results.violations.map(({ id, nodes }) => ({ id, where: nodes.map(({ html }) => html) })),
        [],
        theme,
      );
    }
  });

  it('keeps what was chosen over a reload', async () => {
    // As a person does it: a page that is just loaded again by the browser may lose what was kept last.
    const before = await editor.server.activations();
    await editor.workbench.command('Developer: Reload Window');
    await until('the new window', async () => (await editor.server.activations()) > before, 60_000);
    const page = await show();
    assert.equal(await page.locator('input[type=radio]').first().isChecked(), true);
  });
});
