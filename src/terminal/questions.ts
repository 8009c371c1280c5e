import { line } from '../base/text';
import type { Question } from '../ssh/connection';

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

/** Puts the text into the reader's language, values for `{0}`, `{1}`… into it. The editor has translations. */
export type Translate = (text: string, ...values: (string | number)[]) => string;

const inEnglish: Translate = (text, ...values) =>
  text.replace(/\{(\d)\}/g, (all, index: string) => String(values[Number(index)] ?? all));

export function questionWords(question: Question, t: Translate = inEnglish): QuestionWords {
  const secret = (prompt: string, retry = false): QuestionWords => ({
    lead: retry ? [t('That was not accepted.')] : [],
    prompt: line(prompt),
    hidden: true,
    choices: undefined,
    typed: undefined,
  });
  switch (question.kind) {
    case 'host-key':
      return hostKey(question, t);
    case 'password':
      return secret(t('Password for {0}@{1} (node {2})', question.user, question.host, question.node), question.retry);
    case 'passphrase':
      return secret(t('Passphrase for {0} (node {1})', question.file, question.node), question.retry);
    case 'become-password':
      return secret(t('Password for {0} to become root on {1}', question.user, question.node), question.retry);
    case 'otp':
      return {
        ...secret(
          t('{0} asks: {1}', question.node, question.prompt.replace(/[:\s]+$/, '')),
          question.again === 'refused',
        ),
        ...(question.again === 'hung-up'
          ? { lead: [t('The server closed the connection before it received the answer. Enter it again.')] }
          : {}),
        hidden: !question.echo,
      };
    case 'restic-password':
      return secret(t('Password for the restic repository of location {0}', question.location));
    case 'url-auth':
      return secret(t('user:password for {0}', question.url));
    case 'confirm':
      return confirm(question, t);
    case 'decide':
      return {
        lead: lines(question.text),
        prompt: t('What should happen on {0}', line(question.node)),
        hidden: false,
        choices: question.choices.map((each) => line(each)),
        typed: undefined,
      };
  }
}

function hostKey(question: Extract<Question, { kind: 'host-key' }>, t: Translate): QuestionWords {
  return {
    lead: [
      t('The host key of {0} (node {1}) is not known.', line(question.host), line(question.node)),
      t('{0} key, fingerprint {1}', line(question.keyType), line(question.fingerprint)),
      t('Compare the fingerprint with the one on the console of the node before you trust it.'),
    ],
    prompt: t('Trust this key and remember it'),
    hidden: false,
    choices: ['yes', 'no'],
    typed: undefined,
  };
}

function confirm(question: Extract<Question, { kind: 'confirm' }>, t: Translate): QuestionWords {
  const typed = question.typeName === undefined ? undefined : line(question.typeName);
  return {
    lead: lines(question.text),
    prompt:
      typed === undefined ? t('Continue') : t('This is a production cluster. Type its name ({0}) to continue', typed),
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
  t: Translate = inEnglish,
): { readonly accepted: string | undefined } | { readonly again: string } {
  const words = questionWords(question, t);
  if (words.hidden) return { accepted: typed };
  const text = typed.trim();
  if (words.typed !== undefined) {
    if (text === words.typed) return { accepted: question.kind === 'confirm' ? 'yes' : text };
    return text === ''
      ? { accepted: undefined }
      : { again: t('That is not "{0}". An empty line cancels.', words.typed) };
  }
  if (words.choices === undefined) return { accepted: text };
  const low = text.toLowerCase();
  if (low === '') return { again: t('Please answer {0}.', listed(words.choices, t)) };
  const number = /^\d+$/.test(low) ? words.choices[Number(low) - 1] : undefined;
  const matches = words.choices.filter((each) => each.toLowerCase().startsWith(low));
  const exact = words.choices.find((each) => each.toLowerCase() === low);
  // A whole "yes" to a host key: one slip of a finger must not trust a machine (as ssh itself does it).
  const short = question.kind !== 'host-key';
  const choice = exact ?? number ?? (short && matches.length === 1 ? matches[0] : undefined);
  return choice === undefined ? { again: t('Please answer {0}.', listed(words.choices, t)) } : { accepted: choice };
}

function listed(choices: readonly string[], t: Translate): string {
  return choices.length < 2 ? choices.join('') : t('{0} or {1}', choices.slice(0, -1).join(', '), choices.at(-1) ?? '');
}
