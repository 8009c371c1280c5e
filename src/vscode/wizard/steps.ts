import * as vscode from 'vscode';
import { asMessage } from '../shared/escape';

const { l10n } = vscode;

/** How a step of a wizard ended. */
export type StepEnd<T> =
  { readonly kind: 'next'; readonly value: T } | { readonly kind: 'back' } | { readonly kind: 'cancel' };

/** Where a step stands: its number is shown, and the first has no way back. */
export interface Place {
  readonly title: string;
  readonly step: number;
  readonly total: number;
}

/** One question of a wizard: gets what is known, gives what is known afterwards. */
export interface Step<S> {
  /** Left out where it has nothing to ask. */
  readonly applies?: (state: S) => boolean;
  show(state: S, place: Place): Promise<StepEnd<S>>;
}

/** Walks the steps, also back. @returns undefined when it was cancelled */
export async function runWizard<S>(title: string, steps: readonly Step<S>[], first: S): Promise<S | undefined> {
  const history: S[] = [];
  let state = first;
  for (let index = 0; index < steps.length;) {
    const step = steps[index];
    if (!step) break;
    const asked = steps.filter((each) => each.applies?.(state) ?? true);
    const number = asked.indexOf(step);
    if (number < 0) {
      history[index] = state;
      index++;
      continue;
    }
    const end = await step.show(state, { title, step: number + 1, total: asked.length });
    if (end.kind === 'cancel') return undefined;
    if (end.kind === 'next') {
      history[index] = state;
      state = end.value;
      index++;
      continue;
    }
    // Back to the last one that asked.
    do index--;
    while (index > 0 && !(steps[index]?.applies?.(history[index] ?? first) ?? true));
    index = Math.max(0, index);
    state = history[index] ?? first;
  }
  return state;
}

export interface Choice<T> extends vscode.QuickPickItem {
  readonly value?: T;
  /** What the button of the row puts on the clipboard. */
  readonly copy?: string;
}

/** For rows with `copy`. */
export const copyButton = (): vscode.QuickInputButton => ({
  iconPath: new vscode.ThemeIcon('copy'),
  tooltip: l10n.t('Copy Command Line'),
});

export interface PickOptions<T> {
  readonly placeholder: string;
  readonly items: readonly Choice<T>[];
  readonly active?: T;
  /** Changes the list while it is shown: called once, with what replaces the items. */
  readonly later?: (show: (items: readonly Choice<T>[]) => void, signal: AbortSignal) => Promise<void>;
}

/** A pick of one, with back and step count. */
export async function pickOne<T>(place: Place, options: PickOptions<T>): Promise<StepEnd<T>> {
  const input = vscode.window.createQuickPick<Choice<T>>();
  const set = (items: readonly Choice<T>[]): void => {
    const before = input.activeItems[0]?.value;
    input.items = items;
    const choices = items.filter((each) => each.value !== undefined);
    // Rows that explain are not what Enter takes.
    const active = choices.find((each) => each.value === (before ?? options.active)) ?? choices[0];
    if (active) input.activeItems = [active];
  };
  dress(input, place);
  input.placeholder = options.placeholder;
  input.matchOnDescription = true;
  input.onDidTriggerItemButton(({ item }) => void vscode.env.clipboard.writeText(item.copy ?? ''));
  set(options.items);
  const gone = new AbortController();
  if (options.later) {
    input.busy = true;
    void options.later(set, gone.signal).finally(() => (input.busy = false));
  }
  try {
    return await ended(input, () => {
      const value = input.selectedItems[0]?.value ?? input.activeItems[0]?.value;
      return value === undefined ? undefined : { value };
    });
  } finally {
    gone.abort();
  }
}

/** A pick of several. At least one has to be picked. */
export async function pickSeveral<T>(
  place: Place,
  options: { readonly placeholder: string; readonly items: readonly Choice<T>[]; readonly picked: readonly T[] },
): Promise<StepEnd<readonly T[]>> {
  const input = vscode.window.createQuickPick<Choice<T>>();
  dress(input, place);
  input.placeholder = options.placeholder;
  input.canSelectMany = true;
  input.items = options.items;
  input.selectedItems = options.items.filter((each) => each.value !== undefined && options.picked.includes(each.value));
  return ended(input, () => {
    const value = input.selectedItems.flatMap((each) => (each.value === undefined ? [] : [each.value]));
    return value.length === 0 ? undefined : { value };
  });
}

export interface TextOptions {
  readonly prompt: string;
  readonly value?: string;
  readonly placeholder?: string;
  /** What is wrong with it; undefined: nothing. */
  readonly check: (value: string) => string | undefined;
}

/** A line of text, checked as it is typed. */
export async function askText(place: Place, options: TextOptions): Promise<StepEnd<string>> {
  const input = vscode.window.createInputBox();
  dress(input, place);
  input.prompt = asMessage(options.prompt);
  input.placeholder = options.placeholder ?? '';
  input.value = options.value ?? '';
  const complain = (problem: string | undefined): void => {
    input.validationMessage = asMessage(problem ?? '');
  };
  input.onDidChangeValue((value) => complain(value === '' ? undefined : options.check(value)));
  return ended(input, () => {
    const problem = input.value.trim() === '' ? l10n.t('Enter a value.') : options.check(input.value.trim());
    complain(problem);
    return problem === undefined ? { value: input.value.trim() } : undefined;
  });
}

function dress(input: vscode.QuickInput & { buttons: readonly vscode.QuickInputButton[] }, place: Place): void {
  input.title = place.title;
  if (place.total > 1) {
    input.step = place.step;
    input.totalSteps = place.total;
  }
  input.ignoreFocusOut = true;
  input.buttons = place.step > 1 ? [vscode.QuickInputButtons.Back] : [];
}

type Input = vscode.QuickInput & {
  readonly onDidAccept: vscode.Event<void>;
  readonly onDidTriggerButton: vscode.Event<vscode.QuickInputButton>;
};

async function ended<T>(input: Input, accept: () => { readonly value: T } | undefined): Promise<StepEnd<T>> {
  return new Promise((resolve) => {
    let end: StepEnd<T> = { kind: 'cancel' };
    input.onDidAccept(() => {
      const given = accept();
      if (!given) return;
      end = { kind: 'next', value: given.value };
      input.hide();
    });
    input.onDidTriggerButton((button) => {
      if (button !== vscode.QuickInputButtons.Back) return;
      end = { kind: 'back' };
      input.hide();
    });
    input.onDidHide(() => {
      input.dispose();
      resolve(end);
    });
    input.show();
  });
}

/** The value of a step that stands alone. */
export function valueOf<T>(end: StepEnd<T>): T | undefined {
  return end.kind === 'next' ? end.value : undefined;
}

/** A question of its own. */
export function alone(title: string): Place {
  return { title, step: 1, total: 1 };
}
