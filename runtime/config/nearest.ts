// "Did you mean": the name a person most likely meant when they typed one that does not exist.

/** Longer inputs are not typing errors; the bound also keeps the cost at 64 x 64 steps a name. */
const NAME_LENGTH_MAX = 64;

/** Levenshtein distance with transposition of neighbours (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(
        (last[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (last[j - 1] ?? 0) + (same ? 0 : 1),
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/**
 * The known name nearest to `typed`, or null when none is near: at most a third of its letters
 * wrong, or one name is a part of the other. Ties go to the earlier name.
 */
export function nearestName(typed: string, known: readonly string[]): string | null {
  if (typed.length === 0 || typed.length > NAME_LENGTH_MAX) return null;
  const wanted = typed.toLowerCase();
  let best: string | null = null;
  let bestDistance = Infinity;
  for (const name of known) {
    const part = wanted.length >= 3 && (name.includes(wanted) || wanted.includes(name));
    const distance = part && name.length >= 3 ? 0.5 : editDistance(wanted, name.toLowerCase());
    const limit = Math.max(1, Math.floor(Math.max(wanted.length, name.length) / 3));
    if (distance <= limit && distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

/** ` Did you mean "x"?` or nothing, ready to be put behind a sentence. */
export function didYouMean(typed: string, known: readonly string[]): string {
  const name = nearestName(typed, known);
  return name === null ? '' : ` Did you mean "${name}"?`;
}
