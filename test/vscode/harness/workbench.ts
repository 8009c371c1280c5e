import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, BrowserContext, Frame, Page } from 'playwright-core';
import { QuickInput } from './quickinput';
import { ROOT, type EditorServer } from './server';
import { TreeView } from './tree';
import { SOON, until } from './until';

const SCREENSHOTS = join(ROOT, 'test/vscode/screenshots');

const THEMES = {
  light: { css: 'vs', colorScheme: 'light', forcedColors: 'none' },
  dark: { css: 'vs-dark', colorScheme: 'dark', forcedColors: 'none' },
  'high-contrast': { css: 'hc-black', colorScheme: 'dark', forcedColors: 'active' },
} as const;
export type Theme = keyof typeof THEMES;

/** A notification, as the notification centre shows it. */
export interface Notification {
  readonly severity: 'info' | 'warning' | 'error' | 'unknown';
  readonly message: string;
  readonly buttons: readonly string[];
}

/** A window of the editor, used as a person uses it. */
export class Workbench {
  private constructor(
    readonly page: Page,
    private readonly server: EditorServer,
    private readonly context: BrowserContext,
  ) {}

  /** @param development see `EditorServer.url`; nothing: only what is installed on the server */
  static async open(
    browser: Browser,
    server: EditorServer,
    folder: string,
    development: Readonly<Record<string, string>> = {},
  ): Promise<Workbench> {
    // A context of its own is a person of its own: no storage is shared with another window.
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    // The test runner's compiler marks functions with a helper that pages do not have.
    await context.addInitScript('globalThis.__name ??= (named) => named');
    const page = await context.newPage();
    page.setDefaultTimeout(120_000);
    const workbench = new Workbench(page, server, context);
    await workbench.load(() => page.goto(server.url(folder, development)));
    return workbench;
  }

  /** Loads the page and waits until a new extension host has activated the extension. */
  private async load(navigate: () => Promise<unknown>): Promise<void> {
    const before = await this.server.activations();
    await navigate();
    await this.page.locator('.monaco-workbench .part.statusbar').waitFor({ timeout: 180_000 });
    await until('the extension to be activated', async () => (await this.server.activations()) > before, 180_000);
  }

  /** Runs a command by its title in the palette, exactly as it stands there (`Clusterlift: Upgrade…`). */
  async command(title: string): Promise<void> {
    let again = false;
    await until(
      `the command ${title}`,
      async () => {
        // What a palette offers is settled when it opens: one that came too early is opened anew.
        if (again) await this.page.keyboard.press('Escape');
        again = true;
        const input = await this.palette(title);
        await until(title, async () => (await input.items(SOON)).some((item) => item.label === title), SOON);
        await input.choose(title, SOON);
        // Chosen: the palette is gone, or what the command asks stands in its place.
        return until('the palette to close', async () => (await input.value()) !== `>${title}`, SOON);
      },
      120_000,
    );
  }

  /** Opens the palette and types into it; the titles it offers are `items()` of what it gives back. */
  async palette(text: string): Promise<QuickInput> {
    const input = this.quickInput();
    await until('the palette', async () => {
      await this.page.keyboard.press('F1');
      await input.type(`>${text}`, SOON);
      return (await input.value()) === `>${text}`;
    });
    return input;
  }

  /**
   * Runs a command that shows a list, and picks from it. A list that lacks the entry is opened again: it does not change
   * while it is open.
   */
  async pickFrom(command: string, entry: string): Promise<void> {
    await until(
      `${entry} in the list of ${command}`,
      async () => {
        await this.command(command);
        const pick = this.quickInput();
        await pick.type(entry, SOON); // Rows far below are not rendered.
        await pick.choose(entry, SOON);
        return until('the list to close', async () => (await pick.value()) !== entry, SOON);
      },
      180_000,
    );
  }

  quickInput(): QuickInput {
    return new QuickInput(this.page);
  }

  /** Shows a container of the activity bar, by its title. */
  async container(title: string): Promise<void> {
    const tab = this.page.locator('.activitybar').getByRole('tab', { name: title }).first();
    await until(`the container ${title}`, async () => {
      if ((await tab.getAttribute('aria-expanded', { timeout: SOON })) !== 'true') await tab.click({ timeout: SOON });
      const heading = this.page.locator('.sidebar .composite.title').getByText(title, { exact: false });
      await heading.first().waitFor({ timeout: SOON });
      return true;
    });
  }

  tree(title: string): TreeView {
    return new TreeView(this.page, title);
  }

  /** The text of the terminal in view, its whole buffer, lines that were wrapped put together. */
  terminalText(): Promise<string> {
    return this.page.evaluate(() => {
      interface Line {
        readonly isWrapped: boolean;
        translateToString(trim: boolean): string;
      }
      interface Terminal extends Element {
        readonly xterm?: { buffer: { active: { length: number; getLine(index: number): Line | undefined } } };
      }
      const shown = [...document.querySelectorAll<Terminal>('.terminal-wrapper')].filter((each) =>
        each.checkVisibility(),
      );
      const buffer = shown.at(-1)?.xterm?.buffer.active;
      let text = '';
      for (let index = 0; index < (buffer?.length ?? 0); index++) {
        const line = buffer?.getLine(index);
        if (line) text += (line.isWrapped || index === 0 ? '' : '\n') + line.translateToString(true);
      }
      return text.trimEnd();
    });
  }

  /** Waits until the terminal in view shows the text; gives all that it shows. */
  terminalShows(text: string | RegExp, deadline = 60_000): Promise<string> {
    return until(
      `${String(text)} in the terminal`,
      async () => {
        const all = await this.terminalText();
        return (typeof text === 'string' ? all.includes(text) : text.test(all)) ? all : undefined;
      },
      deadline,
    );
  }

  /** Types into the terminal in view. */
  async terminalType(text: string): Promise<void> {
    await this.focusTerminal();
    await this.page.keyboard.type(text);
  }

  /** Presses a key in the terminal in view, as `Control+C`. */
  async terminalPress(key: string): Promise<void> {
    await this.focusTerminal();
    await this.page.keyboard.press(key);
  }

  private async focusTerminal(): Promise<void> {
    const terminal = this.page.locator('.terminal-wrapper:visible').last();
    await until('the focus in the terminal', async () => {
      await terminal.click({ timeout: SOON });
      return terminal.evaluate((element) => element.contains(document.activeElement));
    });
  }

  /** All that the notification centre holds. */
  async notifications(): Promise<Notification[]> {
    await this.openNotifications();
    const list = await this.page.locator('.notifications-center .notification-list-item').evaluateAll((items) =>
      items.map((item) => {
        const icon = item.querySelector('.notification-list-item-icon')?.className ?? '';
        return {
          severity: (['info', 'warning', 'error'] as const).find((each) => icon.includes(each)) ?? ('unknown' as const),
          message: item.querySelector('.notification-list-item-message')?.textContent ?? '',
          buttons: [...item.querySelectorAll('.notification-list-item-buttons-container .monaco-button')].map(
            (button) => button.textContent,
          ),
        };
      }),
    );
    await this.page.keyboard.press('Escape');
    return list;
  }

  private async openNotifications(): Promise<void> {
    const centre = this.page.locator('.notifications-center.visible');
    await until('the notification centre', async () => {
      await this.command('Notifications: Show Notifications');
      await centre.waitFor({ timeout: SOON });
      return true;
    });
  }

  /** Presses a button of the notification (toast or centre) that holds the text. */
  async notificationButton(text: string, button: string): Promise<void> {
    const item = this.page.locator('.notification-list-item:visible').filter({ hasText: text }).first();
    await until(`${button} in the notification ${text}`, async () => {
      // A toast goes after some seconds: the centre keeps it.
      if (!(await item.isVisible())) await this.openNotifications();
      await item.hover({ timeout: SOON });
      await item.getByRole('button', { name: button, exact: true }).click({ timeout: SOON });
      return true;
    });
  }

  /** The modal dialog that is open: its text, details included, and its buttons. */
  async dialog(): Promise<{ text: string; buttons: string[] }> {
    const box = this.page.locator('.monaco-dialog-box');
    await box.waitFor();
    const text = (await box.locator('.dialog-message-container').innerText()).trim();
    const buttons = await box.locator('.dialog-buttons .monaco-button:visible').allInnerTexts();
    return { text, buttons: buttons.map((each) => each.trim()).filter((each) => each !== '') };
  }

  async dialogButton(name: string): Promise<void> {
    await this.page.locator('.monaco-dialog-box').getByRole('button', { name, exact: true }).click();
    await this.page.locator('.monaco-dialog-box').waitFor({ state: 'detached' });
  }

  /** Shows an output channel and gives the lines in view. */
  async output(channel: string): Promise<string> {
    await this.pickFrom('Output: Show Output Channels...', channel);
    return this.outputText();
  }

  /** The lines in view of the output channel that is shown. */
  async outputText(): Promise<string> {
    const lines = this.page.locator('.output-view .view-line, #workbench\\.panel\\.output .view-line');
    const texts = await lines.evaluateAll((all) =>
      all
        .map((line) => ({ top: line.getBoundingClientRect().top, text: line.textContent }))
        .sort((a, b) => a.top - b.top)
        .map(({ text }) => text),
    );
    return texts.join('\n').replaceAll('\u00a0', ' ');
  }

  /** What stands in the status bar, each as it is spoken. */
  async statusBar(): Promise<string[]> {
    const items = this.page.locator('.part.statusbar .statusbar-item:visible');
    return items.evaluateAll((all) => all.map((item) => item.getAttribute('aria-label') ?? ''));
  }

  /** The inner frame of the webview in view: our page, with our own content security policy. */
  webview(): Promise<Frame> {
    return until('a webview', async () => {
      for (const handle of (await this.page.locator('iframe.webview.ready').elementHandles()).reverse()) {
        if (!(await handle.isVisible())) continue;
        const outer = await handle.contentFrame();
        const inner = await (await outer?.$('#active-frame'))?.contentFrame();
        if (inner && (await inner.$('body *')) !== null) return inner;
      }
      return undefined;
    });
  }

  /** As the machine's own setting does it: nothing on the screen is touched. */
  async theme(theme: Theme): Promise<void> {
    const { css, ...media } = THEMES[theme];
    await this.page.emulateMedia(media);
    await this.page.locator(`.monaco-workbench.${css}`).waitFor();
  }

  /** Takes a picture into test/vscode/screenshots: to be looked at. Gives the file. */
  async screenshot(name: string): Promise<string> {
    await mkdir(SCREENSHOTS, { recursive: true });
    const path = join(SCREENSHOTS, `${name.replaceAll(/[^\w.-]+/g, '-')}.png`);
    await this.page.screenshot({ path });
    return path;
  }

  /** A picture in light, dark and high contrast. */
  async screenshots(name: string): Promise<void> {
    for (const theme of ['light', 'high-contrast', 'dark'] as const) {
      await this.theme(theme);
      await this.screenshot(`${name}-${theme}`);
    }
  }

  /** As a person reloads the window: the extension host ends gracefully and a new one starts. */
  async reload(): Promise<void> {
    await this.load(() => this.page.reload());
  }

  async close(): Promise<void> {
    await this.context.close();
  }
}
