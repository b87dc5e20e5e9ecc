// Everyone who takes part: { name, library, variant, efs, mine, scan, slow, fits }. A library is a
// file of this folder; its create({ variant, set, folder, fresh }) gives
//   insert()  finish()  reopen()  prepare(ef)  search(vector, k, ef)  close()
// each at once or as a promise. finish() ends with everything in `folder` that a reopen needs.
const LIBRARIES = [
  'mine',
  'usearch',
  'hnswlib',
  'zvec',
  'faiss',
  'sqlite_vec',
  'lancedb',
  'ruvector',
];

const load = (library) => import(new URL(`./${library}.mjs`, import.meta.url).href);

/**
 * The contenders whose names hold one of `wanted` (all, when it is empty), in a fixed order.
 * `wanted` that begins with = is a whole name.
 */
export async function contenders(wanted = []) {
  const all = [];
  for (const library of LIBRARIES) {
    const { variants } = await load(library);
    all.push(...variants.map((v) => ({ library, ...v })));
  }
  const asked = ({ name }) =>
    wanted.some((w) => (w.startsWith('=') ? name === w.slice(1) : name.includes(w)));
  return wanted.length === 0 ? all : all.filter(asked);
}

export const create = async (library, options) => (await load(library)).create(options);
