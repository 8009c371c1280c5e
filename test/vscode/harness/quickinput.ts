import type { Locator, Page } from 'playwright-core';
import { SOON, until } from './until';

/** One row of a quick pick, as a person reads it. */
export interface PickItem {
  readonly label: string;
  readonly description: string;
  readonly detail: string;
  readonly picked: boolean;
}

/** The quick pick or input box that is open. */
export class QuickInput {
  private readonly widget: Locator;

  constructor(private readonly page: Page) {
    this.widget = page.locator('.quick-input-widget:visible');
  }

  /**
   * Waits until one is open; with a title, until it is the one of this title (`Upgrade staging`, or part of it).
   * @param timeout milliseconds until it must be open
   */
  async open(title?: string, timeout = 90_000): Promise<this> {
    await this.widget.waitFor({ timeout });
    if (title !== undefined) {
      await until(`a quick input titled ${title}`, async () => (await this.title()).includes(title));
    }
    // The list is filled after the widget shows.
    await this.widget
      .locator('.quick-input-progress.done, .quick-input-progress:not(.active)')
      .first()
      .waitFor({ state: 'attached', timeout });
    return this;
  }

  async isOpen(): Promise<boolean> {
    return (await this.widget.count()) > 0;
  }

  async closed(): Promise<void> {
    await this.widget.waitFor({ state: 'hidden' });
  }

  /** With the step count, as `Upgrade staging (2/5)`. */
  async title(): Promise<string> {
    return clean(await this.widget.locator('.quick-input-title').innerText());
  }

  async placeholder(): Promise<string> {
    return (await this.input().getAttribute('placeholder')) ?? '';
  }

  /** What stands below the field: the prompt, or what is wrong with the value. */
  async message(): Promise<string> {
    return clean(await this.widget.locator('.quick-input-message').innerText());
  }

  /** The rows that are rendered (long lists are not, completely). */
  async items(timeout = 90_000): Promise<PickItem[]> {
    await this.open(undefined, timeout);
    return this.rows().evaluateAll((rows) =>
      rows.map((row) => {
        const text = (selector: string): string => row.querySelector(selector)?.textContent ?? '';
        return {
          label: text('.quick-input-list-row .label-name'),
          description: text('.quick-input-list-row .label-description'),
          detail: text('.quick-input-list-label-meta .label-name'),
          picked: row.querySelector('.quick-input-list-checkbox')?.getAttribute('aria-checked') === 'true',
        };
      }),
    );
  }

  /** The label of the row that Enter takes. */
  async active(): Promise<string> {
    return ((await this.widget.locator('.monaco-list-row.focused .label-name').first().textContent()) ?? '').trim();
  }

  /** Types into the field, in place of what is there. */
  async type(text: string, timeout = 90_000): Promise<void> {
    await this.open(undefined, timeout);
    await this.input().fill(text, { timeout });
  }

  /** Accepts what is typed or focused. */
  async accept(): Promise<void> {
    await this.input().press('Enter');
  }

  /**
   * Picks the row with this label (text, or part of it by a pattern).
   * @param timeout milliseconds until the row must be there
   */
  async choose(label: string | RegExp, timeout = 90_000): Promise<void> {
    await this.row(label).click({ timeout });
  }

  /** The OK button of a pick of several. */
  async ok(): Promise<void> {
    await this.widget.getByRole('button', { name: 'OK' }).click();
  }

  /** A button of the title or of a row, by its tooltip. */
  async button(name: string): Promise<void> {
    await this.widget.getByRole('button', { name }).first().click();
  }

  async back(): Promise<void> {
    await this.button('Back');
  }

  /** Escape, until it is gone: the key is lost while something else takes the focus. */
  async cancel(): Promise<void> {
    await until('the quick input to close', async () => {
      if (await this.isOpen()) await this.input().press('Escape', { timeout: SOON });
      await this.widget.waitFor({ state: 'hidden', timeout: SOON });
      return true;
    });
  }

  /** What is typed in the field; undefined when none is open. */
  async value(): Promise<string | undefined> {
    return (await this.isOpen()) ? this.input().inputValue({ timeout: SOON }) : undefined;
  }

  /** The first row with this label (text, or part of it by a pattern). */
  row(label: string | RegExp): Locator {
    const name = this.page.locator('.quick-input-list-row .label-name');
    const exact = typeof label === 'string' ? new RegExp(`^\\s*${escape(label)}\\s*$`) : label;
    return this.rows()
      .filter({ has: name.filter({ hasText: exact }) })
      .first();
  }

  private input(): Locator {
    return this.widget.locator('.quick-input-box input');
  }

  private rows(): Locator {
    return this.widget.locator('.quick-input-list .monaco-list-row');
  }
}

function clean(text: string): string {
  return text.replaceAll('\u00a0', ' ').trim();
}

function escape(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
