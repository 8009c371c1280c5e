/** "Did you mean …?": the nearest known word, if it is near enough to be a slip of the fingers. */

const LONGEST = 64;

/** Edits (insert, delete, replace, swap of neighbours) between two words; case counts as no edit. Words are cut at 64 characters. */
export function editDistance(first: string, second: string): number {
  const a = Array.from(first.toLowerCase()).slice(0, LONGEST);
  const b = Array.from(second.toLowerCase()).slice(0, LONGEST);
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let best = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, replace);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, (beforeLast[j - 2] ?? 0) + 1);
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/** The known word that was probably meant: at most one edit in three characters. Undefined when none is near. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const each of known) {
    const distance = editDistance(word, each);
    const allowed = Math.max(1, Math.floor(Math.min(each.length, LONGEST) / 3));
    if (distance <= allowed && distance < bestDistance && distance < Math.max(word.length, each.length)) {
      best = each;
      bestDistance = distance;
    }
  }
  return best;
}

/** `Did you mean "x"?` when there is a near word, else `otherwise`. */
export function didYouMean(word: string, known: Iterable<string>, otherwise: string): string {
  const near = nearest(word, known);
  return near === undefined ? otherwise : `Did you mean "${near}"?`;
}
