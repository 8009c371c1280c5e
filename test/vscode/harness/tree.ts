import type { Locator, Page } from 'playwright-core';
import { until } from './until';

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
    await header.waitFor();
    if ((await header.getAttribute('aria-expanded')) === 'false') await header.click();
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

  async open(label: string): Promise<void> {
    const row = this.row(label);
    if ((await row.getAttribute('aria-expanded')) === 'false') await row.locator('.monaco-tl-twistie').click();
  }

  /** Selects the first, adds the others to the selection. */
  async select(...labels: string[]): Promise<void> {
    for (const [index, label] of labels.entries()) {
      await this.row(label).click({ modifiers: index === 0 ? [] : ['ControlOrMeta'] });
    }
  }

  /** Right click, then the entry of the menu. */
  async menu(label: string, entry: string): Promise<void> {
    await this.row(label).click({ button: 'right' });
    const item = this.page.locator('.monaco-menu .action-label').getByText(entry, { exact: true });
    await item.waitFor();
    // A menu takes no clicks in its first 100 ms, against the one that opened it.
    await until(`a click on ${entry}`, async () => {
      await item.click({ timeout: 1_000 }).catch(() => undefined);
      return !(await item.isVisible());
    });
  }

  /** What the context menu of a row offers. */
  async menuEntries(label: string): Promise<string[]> {
    await this.row(label).click({ button: 'right' });
    const items = this.page.locator('.monaco-menu .action-item .action-label:not(.separator)');
    await items.first().waitFor();
    const texts = await items.allInnerTexts();
    await this.page.keyboard.press('Escape');
    return texts.map((each) => each.trim()).filter((each) => each !== '');
  }

  /** A button of a row (inline action) or of the view's title, by its tooltip. */
  async action(name: string, label?: string): Promise<void> {
    const place = label === undefined ? this.pane.locator('.pane-header') : this.row(label);
    await place.hover();
    await place.getByRole('button', { name }).first().click();
  }

  toString(): string {
    return `view ${this.name}`;
  }
}
