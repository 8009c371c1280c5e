import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Browser } from 'playwright-core';
import { openBrowser } from './browser';
import { EditorServer, ROOT, whyNoEditor, type ServerOptions } from './server';
import { Workbench } from './workbench';

export interface EditorOptions extends ServerOptions {
  /** Files of the workspace: path → content. */
  readonly files?: Readonly<Record<string, string>>;
  /** One of them that is opened instead of the folder: a `.code-workspace`. */
  readonly open?: string;
}

/** An editor for the tests of one `describe`: a server, a browser and a window. */
export interface EditorFixture {
  readonly server: EditorServer;
  readonly workbench: Workbench;
  /** The workspace folder. */
  readonly folder: string;
  /** One more window of the same workspace; closed with the others. */
  another(): Promise<Workbench>;
  /** Closes the window without a trace, as a person does; `workbench` is a new one afterwards. */
  reopen(): Promise<void>;
}

/**
 * Hooks for a `describe`: starts an editor before its tests and ends everything after them. A test that fails leaves a
 * picture. Without `vsix` the extension runs from this source tree (`npm run build` first).
 */
export function useEditor(options: EditorOptions = {}): EditorFixture {
  const development: Record<string, string> = options.vsix === undefined ? { extensionDevelopmentPath: ROOT } : {};
  let server: EditorServer | undefined;
  let browser: Browser | undefined;
  let workbench: Workbench | undefined;
  const there = <T>(thing: T | undefined): T => {
    if (thing === undefined) throw new Error('the editor is there only inside of tests');
    return thing;
  };
  const open = (): Promise<Workbench> =>
    Workbench.open(there(browser), there(server), join(fixture.folder, options.open ?? ''), development);
  const fixture = {
    get server() {
      return there(server);
    },
    get workbench() {
      return there(workbench);
    },
    get folder() {
      return join(there(server).folder, 'workspace');
    },
    another: open,
    async reopen() {
      await there(workbench).page.close();
      await there(workbench).close();
      workbench = await open();
    },
  };

  before(async function () {
    const reason = whyNoEditor();
    if (reason !== undefined) {
      process.stderr.write(`SKIPPED ${this.test?.parent?.fullTitle() ?? ''}: ${reason}\n`);
      this.skip();
    }
    this.timeout(900_000); // The first time on a machine, the editor is set up.
    // Longer than any gesture is tried for, so that what is told is the gesture and not the time-out.
    for (const test of this.test?.parent?.tests ?? []) test.timeout(Math.max(test.timeout(), 600_000));
    server = await EditorServer.start(options);
    await mkdir(fixture.folder, { recursive: true });
    for (const [file, content] of Object.entries(options.files ?? {})) {
      await mkdir(dirname(join(fixture.folder, file)), { recursive: true });
      await writeFile(join(fixture.folder, file), content);
    }
    browser = await openBrowser();
    workbench = await open();
  });

  afterEach(async function () {
    if (this.currentTest?.state !== 'failed' || workbench === undefined) return;
    const path = await workbench.screenshot(`failed-${this.currentTest.fullTitle()}`).catch(String);
    process.stderr.write(`The window when it failed: ${path}\n`);
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  return fixture;
}
