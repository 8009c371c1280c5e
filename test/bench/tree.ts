import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { openBrowser } from '../vscode/harness/browser';
import { EditorServer, ROOT, whyNoEditor } from '../vscode/harness/server';
import { until } from '../vscode/harness/until';
import { type Figure, seconds } from './report';

/** Milliseconds of the extension host, from the issue that asked for it. */
const GOAL = 100;

/** A cluster of 500 nodes is opened in the tree of a real editor: the median of 20, on the extension host's own clock. */
export async function tree(): Promise<Figure[]> {
  const reason = whyNoEditor();
  if (reason !== undefined) throw new Error(reason);
  await using stack = new AsyncDisposableStack();
  const figures = join(tmpdir(), `clusterlift-figures-${String(process.pid)}.json`);
  await writeFile(figures, '{}');
  stack.defer(() => rm(figures, { force: true }));
  const server = await EditorServer.start({ env: { CLUSTERLIFT_FIGURES: figures } });
  stack.defer(() => server.stop());
  const result = join(server.folder, 'result.json');
  const job = { files: [resolve(ROOT, 'test/vscode/host/scale.ts')], result };
  const inHost = JSON.stringify(join(ROOT, 'test/vscode/harness/in-host.cjs'));
  const entry = join(server.folder, 'tests.cjs');
  await writeFile(entry, `exports.run = () => require(${inHost}).run(${JSON.stringify(job)});\n`);
  const browser = await openBrowser();
  stack.defer(() => browser.close());
  const page = await browser.newPage();
  await page.goto(server.url(server.folder, { extensionDevelopmentPath: ROOT, extensionTestsPath: entry }));
  await until('the result', () => existsSync(result), 120_000);
  const { expand } = JSON.parse(await readFile(figures, 'utf8')) as { expand?: number };
  if (expand === undefined) throw new Error(`there is no figure: ${await readFile(result, 'utf8')}`);
  return [
    {
      what: 'tree: open a cluster of 500 nodes',
      ours: seconds(expand),
      peer: '',
      ratio: '',
      goal: { text: `under ${seconds(GOAL)}`, met: expand < GOAL },
    },
  ];
}
