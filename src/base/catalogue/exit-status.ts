/** Exit status of the command line (docs/commands.md). Each error code carries the status it leads to. */
export const ExitStatus = {
  ok: 0,
  failed: 1,
  usage: 2,
  refused: 3,
  unknown: 4,
  locked: 5,
  interrupted: 130,
} as const;
export type ExitStatus = (typeof ExitStatus)[keyof typeof ExitStatus];
