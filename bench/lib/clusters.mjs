// Which queries of a set belong together, and how often each neighbourhood is asked for.

/** Rows that k-means looks at, and how often. */
const SAMPLE_ROWS = 5_000,
  ROUNDS = 6;

const rowAt = (matrix, row, dimensions) =>
  matrix.subarray(row * dimensions, (row + 1) * dimensions);

function nearest(centroids, vector) {
  let best = 0,
    bestDistance = Infinity;
  for (const [c, centroid] of centroids.entries()) {
    let distance = 0;
    for (let i = 0; i < vector.length && distance < bestDistance; i++) {
      distance += (vector[i] - centroid[i]) ** 2;
    }
    if (distance < bestDistance) {
      best = c;
      bestDistance = distance;
    }
  }
  return best;
}

/**
 * Query numbers by cluster, in an order drawn from `random`; clusters without a query are left out.
 * K-means on a sample of the rows.
 */
export function clustersOf(set, count, random) {
  const { dimensions } = set;
  const pick = () => rowAt(set.base, Math.floor(random() * set.rows), dimensions);
  const sample = Array.from({ length: SAMPLE_ROWS }, pick);
  const centroids = Array.from({ length: count }, () => Float64Array.from(pick()));
  for (let round = 0; round < ROUNDS; round++) {
    const members = centroids.map(() => []);
    for (const vector of sample) members[nearest(centroids, vector)].push(vector);
    for (const [c, vectors] of members.entries()) {
      if (vectors.length === 0) continue;
      centroids[c].fill(0);
      for (const v of vectors) {
        for (let i = 0; i < dimensions; i++) centroids[c][i] += v[i] / vectors.length;
      }
    }
  }
  const queries = centroids.map(() => []);
  for (let q = 0; q < set.queries; q++) {
    queries[nearest(centroids, rowAt(set.query, q, dimensions))].push(q);
  }
  const held = queries.filter((list) => list.length > 0);
  for (let i = held.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [held[i], held[j]] = [held[j], held[i]];
  }
  return held;
}

/** Draws 0..count-1, the i-th with a weight of (i + 1) ^ -exponent. */
export function zipf(count, exponent, random) {
  const sums = [];
  for (let i = 0; i < count; i++) sums.push((sums.at(-1) ?? 0) + (i + 1) ** -exponent);
  return () => {
    const at = random() * sums.at(-1);
    return sums.findIndex((sum) => sum > at);
  };
}
