import type { Locator, Page } from 'playwright-core';
import { SOON, until } from './until';

/** A row of a tree view, as a person sees and hears it. */
export interface TreeRow {
  readonly label: string;
  readonly description: string;
  /** What a screen reader says. */
  readonly spoken: string;
  /** From 1. */
  readonly level: number;
  /** Undefined: it has no children. */
  readonly expanded: boolean | undefined;
}

/** One view in the side bar, by its title. */
export class TreeView {
  private readonly pane: Locator;

  constructor(
    private readonly page: Page,
    private readonly name: string,
  ) {
    this.pane = page.locator('.pane').filter({ has: page.locator(`.pane-header[aria-label*="${name} Section"]`) });
  }

  /** Opens the view when only its header shows. */
  async expand(): Promise<void> {
    const header = this.pane.locator('.pane-header');
    await until(`${String(this)} to open`, async () => {
      if ((await header.getAttribute('aria-expanded', { timeout: SOON })) === 'true') return true;
      await header.click({ timeout: SOON });
      return false;
    });
  }

  /** The rows that are rendered. */
  rows(): Promise<TreeRow[]> {
    return this.pane.locator('.monaco-list-row').evaluateAll((rows) =>
      rows.map((row) => ({
        label: row.querySelector('.label-name')?.textContent ?? '',
        description: row.querySelector('.label-description')?.textContent ?? '',
        spoken: row.getAttribute('aria-label') ?? '',
        level: Number(row.getAttribute('aria-level')),
        expanded: row.hasAttribute('aria-expanded') ? row.getAttribute('aria-expanded') === 'true' : undefined,
      })),
    );
  }

  /** The text above the rows (`TreeView.message`), or of the welcome content. */
  async message(): Promise<string> {
    const texts = await this.pane.locator('.message, .welcome-view-content').allInnerTexts();
    return texts.join('\n').trim();
  }

  /** The number on the badge of the view's header. */
  async badge(): Promise<string> {
    return (await this.pane.locator('.monaco-count-badge').first().textContent()) ?? '';
  }

  row(label: string): Locator {
    const name = this.page.locator('.label-name').getByText(label, { exact: true });
    return this.pane.locator('.monaco-list-row').filter({ has: name }).first();
  }

  /** Opens these; in the end all of them are open: rows move while others open, and a click may meet the wrong one. */
  async open(...labels: string[]): Promise<void> {
    await until(`${labels.join(' and ')} to open in ${String(this)}`, async () => {
      const closed = await this.closedOf(labels);
      for (const row of closed) {
        await row.locator('.monaco-tl-twistie').click({ timeout: SOON });
        // A second click before the first one took effect would close it again.
        const opened = this.pane.locator('.monaco-list-row[aria-expanded="true"]');
        await row.and(opened).waitFor({ timeout: SOON });
      }
      return closed.length === 0;
    });
  }

  private async closedOf(labels: readonly string[]): Promise<Locator[]> {
    const closed: Locator[] = [];
    for (const row of labels.map((label) => this.row(label))) {
      if ((await row.getAttribute('aria-expanded', { timeout: SOON })) === 'false') closed.push(row);
    }
    return closed;
  }

  /** Selects exactly these. */
  async select(...labels: string[]): Promise<void> {
    await until(`${labels.join(' and ')} to be selected in ${String(this)}`, async () => {
      for (const [index, label] of labels.entries()) {
        await this.row(label).click({ modifiers: index === 0 ? [] : ['ControlOrMeta'], timeout: SOON });
      }
      const selected = this.pane.locator('.monaco-list-row[aria-selected="true"]');
      return (await selected.count()) === labels.length;
    });
  }

  /** Right click, then the entry of the menu. */
  async menu(label: string, entry: string): Promise<void> {
    const item = this.menuItems().getByText(entry, { exact: true });
    let again = false;
    await until(`${entry} in the menu of ${label}`, async () => {
      // It may be the menu of another row, which came to lie under the mouse.
      if (again) await this.page.keyboard.press('Escape');
      again = true;
      await this.openMenu(label);
      // In its first 100 ms a menu hears no button going up, lest it be the one that opened it: a press is held for longer.
      await item.click({ delay: 250, timeout: SOON });
      await item.waitFor({ state: 'hidden', timeout: SOON });
      return true;
    });
  }

  /** What the context menu of a row offers. */
  async menuEntries(label: string): Promise<string[]> {
    const texts = await until(`the menu of ${label}`, async () => {
      await this.openMenu(label);
      const all = await this.menuItems().allInnerTexts();
      return all.length > 0 ? all : undefined;
    });
    await until('the menu to close', async () => {
      await this.page.keyboard.press('Escape');
      return (await this.menuItems().count()) === 0;
    });
    return texts.map((each) => each.trim()).filter((each) => each !== '');
  }

  /** A button of a row (inline action) or of the view's title, by its tooltip. */
  async action(name: string, label?: string): Promise<void> {
    const place = label === undefined ? this.pane.locator('.pane-header') : this.row(label);
    await until(`the button ${name} in ${String(this)}`, async () => {
      await place.hover({ timeout: SOON });
      await place.getByRole('button', { name }).first().click({ timeout: SOON });
      return true;
    });
  }

  private menuItems(): Locator {
    return this.page.locator('.monaco-menu .action-item .action-label:not(.separator)');
  }

  private async openMenu(label: string): Promise<void> {
    if (await this.menuItems().first().isVisible()) return;
    await this.row(label).click({ button: 'right', timeout: SOON });
    await this.menuItems().first().waitFor({ timeout: SOON });
  }

  toString(): string {
    return `view ${this.name}`;
  }
}
