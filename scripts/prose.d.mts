/** @param root of the repository @param pages paths below `docs/how-to/` @returns one line for each finding */
export function howTo(root: string, pages: readonly string[]): string[];

/** @param files pages (.md) and sources, of which the comments are read @returns one line for each finding */
export function language(root: string, files: readonly string[]): string[];

/** @param file its ending says what is read @returns `line: the wording to use` */
export function findings(file: string, text: string): string[];
