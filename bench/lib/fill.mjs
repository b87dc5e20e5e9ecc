// Ways to put a matrix into a memory.

/**
 * Inserts rows [from, to) in batches, at most `inFlight` calls open at once. Resolves when durable.
 * `onDurable` hears the end of each batch once it is.
 */
export async function insertRows(memory, matrix, dimensions, options) {
  const { from = 0, to, batch, inFlight, onDurable = () => {} } = options;
  const open = [];
  const next = async () => {
    const { end, done } = open.shift();
    await done;
    onDurable(end);
  };
  for (let row = from; row < to; row += batch) {
    const end = Math.min(row + batch, to);
    open.push({ end, done: memory.insert(matrix.subarray(row * dimensions, end * dimensions)) });
    if (open.length >= inFlight) await next();
  }
  while (open.length > 0) await next();
}

/** A memory at `path` with all rows of the set (ids are row numbers), settled. */
export async function filled(Memory, path, set, options = {}) {
  const memory = await Memory.open(path, { dimensions: set.dimensions, ...options });
  const { base, dimensions, rows } = set;
  await insertRows(memory, base, dimensions, { to: rows, batch: 100, inFlight: 32 });
  await memory.settle();
  return memory;
}
