// Seeded sensor embeddings, the same bits in every V8: the logic of the project's shared bench
// sets.

export const DIMENSIONS = 128;
const STATES = 200,
  SHARED = 24,
  SEED = 20240607;

/** mulberry32: uniform in [0, 1). */
export function uniform(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Box-Muller pairs, the cosine first. */
export function gaussian(u) {
  let spare = null;
  return () => {
    if (spare !== null) {
      const s = spare;
      spare = null;
      return s;
    }
    const r = Math.sqrt(-2 * Math.log(1 - u())),
      t = 2 * Math.PI * u();
    spare = r * Math.sin(t);
    return r * Math.cos(t);
  };
}

// A state is a gaussian of rank 18 to 24 in 128 dimensions whose centre drifts over the recording.
// The centres share one 24-dimensional sub-space, so neighbours cross states.
function makeStates(u, g) {
  const unit = () => {
    const v = Float64Array.from({ length: DIMENSIONS }, g);
    const s = Math.hypot(...v);
    return v.map((x) => x / s);
  };
  const shared = Array.from({ length: SHARED }, unit);
  return Array.from({ length: STATES }, () => {
    const rank = 18 + Math.floor(u() * 7);
    const mean = new Float64Array(DIMENSIONS);
    for (let j = 0; j < SHARED; j++) {
      const c = (g() * 0.3) / (1 + j * 0.03);
      for (let i = 0; i < DIMENSIONS; i++) mean[i] += c * shared[j][i];
    }
    return {
      mean,
      weight: Math.pow(u(), 1.5) + 0.05,
      drift: unit(),
      speed: 0.2 + 0.5 * u(),
      axes: Array.from({ length: rank }, (_, j) => {
        const s = 0.36 * Math.pow(1 + j, -0.15);
        return unit().map((x) => x * s);
      }),
    };
  });
}

function drawInto(g, state, time, v, out, at) {
  const { mean, drift, speed, axes } = state;
  for (let i = 0; i < DIMENSIONS; i++) {
    v[i] = mean[i] + drift[i] * speed * (time - 0.5) + g() * 0.012;
  }
  for (const axis of axes) {
    const c = g();
    for (let i = 0; i < DIMENSIONS; i++) v[i] += c * axis[i];
  }
  let norm = 0;
  for (let i = 0; i < DIMENSIONS; i++) norm += v[i] * v[i];
  norm = Math.sqrt(norm);
  for (let i = 0; i < DIMENSIONS; i++) out[at + i] = v[i] / norm;
}

/**
 * A stream as a device would embed it: it dwells in one of 200 operating states for about 25 rows,
 * then moves to another. Gives { base, query }: `rows` and `queries` unit vectors, d = 128, in
 * shared memory.
 */
export function sensorSet(rows, queries) {
  const u = uniform(SEED),
    g = gaussian(u);
  const states = makeStates(u, g);
  const total = states.reduce((a, s) => a + s.weight, 0);
  const pick = () => {
    let x = u() * total;
    for (const s of states) if ((x -= s.weight) <= 0) return s;
    return states[STATES - 1];
  };
  const v = new Float64Array(DIMENSIONS);
  const matrix = (n) => new Float32Array(new SharedArrayBuffer(n * DIMENSIONS * 4));
  const base = matrix(rows),
    query = matrix(queries);
  let current = pick();
  for (let row = 0; row < rows; row++) {
    if (u() < 1 / 25) current = pick();
    drawInto(g, current, row / rows, v, base, row * DIMENSIONS);
  }
  for (let row = 0; row < queries; row++) {
    drawInto(g, pick(), u(), v, query, row * DIMENSIONS);
  }
  return { base, query };
}
