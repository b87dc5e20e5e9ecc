/**
 * Rows of the k largest inner products, nearest first, ties to the smaller row; float64 sums. Rows
 * for which `skip` (a Set, or absent) holds are left out. Fewer than k where there are no more.
 */
export function exactTop(base, rows, query, dimensions, k, skip) {
  const ids = new Int32Array(k),
    scores = new Float64Array(k);
  let held = 0;
  for (let row = 0; row < rows; row++) {
    if (skip !== undefined && skip.has(row)) continue;
    let s = 0;
    for (let i = 0, b = row * dimensions; i < dimensions; i++) s += query[i] * base[b + i];
    if (held === k && s <= scores[k - 1]) continue;
    let at = held < k ? held++ : k - 1;
    for (; at > 0 && scores[at - 1] < s; at--) {
      scores[at] = scores[at - 1];
      ids[at] = ids[at - 1];
    }
    scores[at] = s;
    ids[at] = row;
  }
  return ids.subarray(0, held);
}
