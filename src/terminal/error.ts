import { ExitStatus, messageOf, type ClusterliftError } from '../base/errors';
import { glyphs, paint, tone, type Theme } from './theme';
import { finding, labelled, quoted } from './prose';

/** Everything an error says: message and code, where in which file, node and step, the end of the log, what to do next. */
export function renderError(error: ClusterliftError, theme: Theme): string[] {
  const marks = glyphs(theme);
  const mild = error.exit === ExitStatus.interrupted || error.exit === ExitStatus.unknown;
  const mark = mild ? tone('warn', marks.warning) : tone('bad', marks.failed);
  const where =
    error.node === undefined ? undefined : error.step === undefined ? error.node : `${error.node}, step ${error.step}`;
  return [
    ...finding(mark, error.message, error.code, theme),
    ...(error.at
      ? [
          paint(
            ['  ', tone('dim', 'At: '), `${error.at.file}:${String(error.at.line)}:${String(error.at.column)}`],
            theme,
          ),
        ]
      : []),
    ...(where === undefined ? [] : labelled('Node:', where, theme)),
    ...quoted(error.log, theme),
    ...labelled('Next:', withoutRun(error.hint), theme),
  ];
}

/** An error of no run: `resume`, `attach` and `stop` find the run themselves. */
function withoutRun(hint: string): string {
  return hint.replace(/\b(clusterlift (?:resume|attach|stop)) RUN\b/g, '$1');
}

/** For what should never reach a person: an error that is not one of ours. */
export function renderUnexpected(error: unknown, logFile: string | undefined, theme: Theme): string[] {
  return [
    ...finding(tone('bad', glyphs(theme).failed), `unexpected: ${messageOf(error)}`, 'internal', theme),
    ...labelled(
      'Next:',
      logFile === undefined
        ? 'This is a bug in Clusterlift. Please report it with the command that you ran.'
        : `This is a bug in Clusterlift. Please report it with ${logFile}.`,
      theme,
    ),
  ];
}
