import * as vscode from 'vscode';
import { line } from '../base/text';
import { wrap } from '../terminal/width';
import { questionWords, readAnswer, type QuestionWords } from '../terminal/questions';
import type { Asker, Question } from '../ssh/connection';
import { asLabel, asMessage } from './shared/escape';
import type { SecretStore } from './shared/secrets';

const { l10n } = vscode;

/** Characters that fit in a row of a quick pick. */
const ROW = 80;

/** Asks the person at this window, one question at a time. */
export class WindowAsker implements Asker {
  #last: Promise<unknown> = Promise.resolve();

  constructor(private readonly secrets: SecretStore) {}

  async ask(question: Question, signal?: AbortSignal): Promise<string | undefined> {
    const turn = this.#last.then(() => this.#ask(question, signal));
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #ask(question: Question, signal: AbortSignal | undefined): Promise<string | undefined> {
    if (signal?.aborted === true) return undefined;
    const kept = await this.secrets.recall(question);
    if (kept !== undefined) return kept;
    const words = questionWords(question, l10n.t);
    if (words.choices) return pick(words, words.choices, signal);
    if (question.kind === 'confirm') return typedName(question, words, signal);
    const answer = await type(question, words, signal);
    if (answer !== undefined && words.hidden) await this.secrets.offer(question, answer);
    return answer;
  }
}

/** The plan first, in a dialog: a row of an input box is too narrow for it. Then the name of the production cluster. */
async function typedName(
  question: Question,
  words: QuestionWords,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const [title = '', ...plan] = words.lead;
  const button = l10n.t('Continue…');
  const detail = plan.map((each) => line(each, 1000)).join('\n');
  const chosen = await vscode.window.showWarningMessage(asMessage(title), { modal: true, detail }, button);
  if (chosen !== button || signal?.aborted === true) return undefined;
  return type(question, { ...words, lead: [] }, signal);
}

/** A choice: nothing is preselected that says yes to a machine. */
async function pick(
  { lead, prompt }: QuestionWords,
  choices: readonly string[],
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const input = vscode.window.createQuickPick();
  input.title = `Clusterlift: ${line(prompt, 200)}?`;
  input.ignoreFocusOut = true;
  // Lines to read, not to choose: of separators in a row the editor would show one only.
  const about = lead
    .flatMap((each) => wrap(line(each, 1000), ROW))
    .map((each) => ({ label: asLabel(each, ROW), alwaysShow: true }));
  const shown = choices.map((each) => ({ label: labelOf(each), answer: each }));
  const items = [...about, ...shown];
  input.items = items;
  const no = shown.find(({ answer }) => answer === 'no');
  if (no) input.activeItems = [no];
  return answered(input, signal, () => {
    const [chosen] = input.activeItems;
    return chosen && 'answer' in chosen && typeof chosen.answer === 'string' ? { accepted: chosen.answer } : undefined;
  });
}

function labelOf(choice: string): string {
  switch (choice) {
    case 'yes':
      return l10n.t('Yes');
    case 'no':
      return l10n.t('No');
    case 'retry':
      return l10n.t('Retry');
    case 'done':
      return l10n.t('Mark as Done');
    case 'failed':
      return l10n.t('Mark as Failed');
    case 'roll back':
      return l10n.t('Roll Back');
    case 'leave':
      return l10n.t('Leave as It Is');
    default:
      return asLabel(choice);
  }
}

async function type(
  question: Question,
  words: QuestionWords,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const input = vscode.window.createInputBox();
  input.title = 'Clusterlift';
  input.password = words.hidden;
  input.ignoreFocusOut = true;
  input.prompt = asMessage([...words.lead, words.prompt].join(' · '));
  input.placeholder = words.typed ?? '';
  input.onDidChangeValue(() => (input.validationMessage = ''));
  return answered(input, signal, () => {
    const answer = readAnswer(question, input.value, l10n.t);
    if ('accepted' in answer) return answer;
    input.validationMessage = asMessage(answer.again);
    return undefined;
  });
}

/** Shows an input until it is accepted, cancelled, or answered elsewhere. */
async function answered(
  input: vscode.QuickInput & { readonly onDidAccept: vscode.Event<void> },
  signal: AbortSignal | undefined,
  accept: () => { readonly accepted: string | undefined } | undefined,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    let answer: string | undefined;
    const hide = (): void => input.hide();
    input.onDidAccept(() => {
      const given = accept();
      if (!given) return;
      answer = given.accepted;
      input.hide();
    });
    input.onDidHide(() => {
      signal?.removeEventListener('abort', hide);
      input.dispose();
      resolve(answer);
    });
    signal?.addEventListener('abort', hide, { once: true });
    input.show();
  });
}
