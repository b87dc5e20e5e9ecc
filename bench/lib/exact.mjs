/**
 * Exact nearest rows, nearest first, ties to the smaller row; float64 sums. `metric` is 'l2', or
 * anything else for the largest inner products (which on unit vectors is cosine). Rows for which
 * `skip` (a Set, or absent) holds are left out. Fewer than k where there are no more.
 */
export function exactTop(base, rows, query, dimensions, k, { skip, metric = 'ip' } = {}) {
  const ids = new Int32Array(k),
    scores = new Float64Array(k);
  const l2 = metric === 'l2';
  let held = 0;
  for (let row = 0; row < rows; row++) {
    if (skip !== undefined && skip.has(row)) continue;
    let s = 0;
    const b = row * dimensions;
    if (l2) for (let i = 0; i < dimensions; i++) s -= (query[i] - base[b + i]) ** 2;
    else for (let i = 0; i < dimensions; i++) s += query[i] * base[b + i];
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
