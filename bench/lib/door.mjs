// The doors of the build that the benches call, and the one sentence that helps when there is none.

async function built(path) {
  try {
    return await import(new URL(`../../build/host/js/runtime/${path}`, import.meta.url).href);
  } catch (error) {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new Error(`Nothing is built. Try: make build (${error.message})`);
  }
}

export const { Memory } = await built('index.js');
export const { startMqtt } = await built('ingest/mqtt/index.js');
export const { encodeIngestCbor } = await built('ingest/body/index.js');
export const { runLoad } = await built('ingest/mqtt/testing/load.js');

/** What startMqtt() needs of the world. */
export const world = {
  clock: { now: () => Date.now() },
  timers: {
    after: (ms, run) => {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
  },
  random: () => Math.random(),
};

/** A peer of bench/package.json, or null (and a line that names it) where it is not installed. */
export async function peer(name) {
  try {
    const module = await import(name);
    return module.default ?? module;
  } catch (error) {
    console.log(`skipped peer ${name}: ${String(error.message).split('\n')[0].slice(0, 120)}`);
    return null;
  }
}
