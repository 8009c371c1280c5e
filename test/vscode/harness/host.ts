import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Test, type Context } from 'mocha';
import { strict as assert } from 'node:assert';
import { openBrowser } from './browser';
import type { EditorOptions } from './fixture';
import { EditorServer, ROOT, whyNoEditor } from './server';
import { until } from './until';

interface HostResult {
  readonly tests: readonly { title: string; state: 'passed' | 'failed' | 'pending'; error?: string }[];
  /** Why mocha itself could not run. */
  readonly trouble?: string;
}

/**
 * A `describe` whose tests run inside the extension host of a real editor, with the whole `vscode` API. Each of them
 * shows up here as a test of its own. The extension runs from this source tree (`npm run build` first).
 * Modal dialogs are skipped by the editor in this mode: drive those with `useEditor`.
 * @param files paths of mocha files below test/vscode
 */
export function hostSuite(title: string, files: readonly string[], options: EditorOptions = {}): void {
  describe(title, () => {
    let result: HostResult | undefined;

    before(async function () {
      const reason = whyNoEditor();
      if (reason !== undefined) {
        process.stderr.write(`SKIPPED ${title}: ${reason}\n`);
        this.skip();
      }
      this.timeout(900_000);
      result = await runInHost(files, options);
      for (const { title: inner, state, error } of result.tests) {
        const test = new Test(inner, function (this: Context) {
          if (state === 'pending') this.skip();
          if (state === 'failed') throw Object.assign(new Error(error), { stack: error });
        });
        this.test?.parent?.addTest(test);
      }
    });

    it('runs in the extension host', () => {
      assert.equal(result?.trouble, undefined);
      assert.notEqual(result?.tests.length, 0, 'no test was found');
    });
  });
}

async function runInHost(files: readonly string[], options: EditorOptions): Promise<HostResult> {
  await using stack = new AsyncDisposableStack();
  const server = await EditorServer.start(options);
  stack.defer(() => server.stop());
  const folder = join(server.folder, 'workspace');
  await mkdir(folder);
  for (const [file, content] of Object.entries(options.files ?? {})) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), content);
  }
  const result = join(server.folder, 'result.json');
  const job = { files: files.map((file) => resolve(ROOT, 'test/vscode', file)), result };
  const entry = join(server.folder, 'tests.cjs');
  const inHost = JSON.stringify(join(__dirname, 'in-host.cjs'));
  await writeFile(entry, `exports.run = () => require(${inHost}).run(${JSON.stringify(job)});\n`);

  const browser = await openBrowser();
  stack.defer(() => browser.close());
  const page = await browser.newPage();
  page.setDefaultTimeout(120_000);
  await page.goto(server.url(folder, { extensionDevelopmentPath: ROOT, extensionTestsPath: entry }));
  await until('the result of the tests in the extension host', () => existsSync(result), 600_000).catch(
    (error: unknown) => {
      throw new Error(`${String(error)}\n${server.log}`);
    },
  );
  return JSON.parse(await readFile(result, 'utf8')) as HostResult;
}
