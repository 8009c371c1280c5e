import { line } from '../../base/text';
import type { Question } from '../../ssh/connection';

/** A question in words, the same on a terminal, in the editor and in the list of what a run waits for. */
export interface QuestionWords {
  /** Lines to read before the question itself. */
  readonly lead: readonly string[];
  /** One line, without colon or question mark at the end. */
  readonly prompt: string;
  /** What is typed must not be seen. */
  readonly hidden: boolean;
  /** The answers there are; undefined: any text. */
  readonly choices: readonly string[] | undefined;
  /** The text that has to be typed letter by letter; undefined: none. */
  readonly typed: string | undefined;
}

export function questionWords(question: Question): QuestionWords {
  const secret = (prompt: string, retry = false): QuestionWords => ({
    lead: retry ? ['That was not accepted.'] : [],
    prompt: line(prompt),
    hidden: true,
    choices: undefined,
    typed: undefined,
  });
  switch (question.kind) {
    case 'host-key':
      return hostKey(question);
    case 'password':
      return secret(`Password of ${question.user}@${question.host} (node ${question.node})`, question.retry);
    case 'passphrase':
      return secret(`Passphrase of ${question.file} (node ${question.node})`, question.retry);
    case 'become-password':
      return secret(`Password of ${question.user} to become root on ${question.node}`, question.retry);
    case 'otp':
      return { ...secret(`${question.node} asks: ${question.prompt.replace(/[:\s]+$/, '')}`), hidden: !question.echo };
    case 'restic-password':
      return secret(`Password of the restic repository of location ${question.location}`);
    case 'url-auth':
      return secret(`user:password for ${question.url}`);
    case 'confirm':
      return confirm(question);
    case 'decide':
      return {
        lead: lines(question.text),
        prompt: `What is to be done about ${line(question.node)}`,
        hidden: false,
        choices: question.choices.map((each) => line(each)),
        typed: undefined,
      };
  }
}

function hostKey(question: Extract<Question, { kind: 'host-key' }>): QuestionWords {
  return {
    lead: [
      `The host key of ${line(question.host)} (node ${line(question.node)}) is not known.`,
      `${line(question.keyType)} key, fingerprint ${line(question.fingerprint)}`,
      'Compare the fingerprint with the one on the console of the node before you trust it.',
    ],
    prompt: 'Trust this key and remember it',
    hidden: false,
    choices: ['yes', 'no'],
    typed: undefined,
  };
}

function confirm(question: Extract<Question, { kind: 'confirm' }>): QuestionWords {
  const typed = question.typeName === undefined ? undefined : line(question.typeName);
  return {
    lead: lines(question.text),
    prompt: typed === undefined ? 'Go on' : `This is a production cluster. Type its name (${typed}) to go on`,
    hidden: false,
    choices: typed === undefined ? ['yes', 'no'] : undefined,
    typed,
  };
}

function lines(text: string): string[] {
  return text.split('\n').map((each) => line(each, 1000));
}

/** One line for lists and plain output: what is asked, never what was answered. */
export function questionLine(question: Question): string {
  const words = questionWords(question);
  return line([...words.lead.slice(0, 1), words.prompt].join(' '), 300);
}

/**
 * The answer in the form that the asker's caller expects, from what a person typed.
 * @returns `accepted` with the answer (undefined: a no, or cancelled), or what is wrong with the typed text
 */
export function readAnswer(
  question: Question,
  typed: string,
): { readonly accepted: string | undefined } | { readonly again: string } {
  const words = questionWords(question);
  if (words.hidden) return { accepted: typed };
  const text = typed.trim();
  if (words.typed !== undefined) {
    if (text === words.typed) return { accepted: question.kind === 'confirm' ? 'yes' : text };
    return text === '' ? { accepted: undefined } : { again: `That is not "${words.typed}". An empty line cancels.` };
  }
  if (words.choices === undefined) return { accepted: text };
  const low = text.toLowerCase();
  if (low === '') return { again: `Please answer ${listed(words.choices)}.` };
  const number = /^\d+$/.test(low) ? words.choices[Number(low) - 1] : undefined;
  const matches = words.choices.filter((each) => each.toLowerCase().startsWith(low));
  const exact = words.choices.find((each) => each.toLowerCase() === low);
  // A whole "yes" to a host key: one slip of a finger must not trust a machine (as ssh itself does it).
  const short = question.kind !== 'host-key';
  const choice = exact ?? number ?? (short && matches.length === 1 ? matches[0] : undefined);
  return choice === undefined ? { again: `Please answer ${listed(words.choices)}.` } : { accepted: choice };
}

function listed(choices: readonly string[]): string {
  return choices.length < 2 ? choices.join('') : `${choices.slice(0, -1).join(', ')} or ${choices.at(-1) ?? ''}`;
}
