// What a packed executable (targets/) gives the program that it holds. Absent in a build folder.

/** The engine, and the addon of @serialport/bindings-cpp. */
export type PackedAddon = 'ruvector_edge' | 'serialport';

export interface Packed {
  readonly version: string;
  /** Loads an addon from the executable itself, or from what it extracted and verified. */
  loadAddon(name: PackedAddon): unknown;
}

const KEY = Symbol.for('ruvector-edge.packed');

/** Called once, by the entry of the executable, before main.ts runs. */
export function setPacked(packed: Packed): void {
  (globalThis as Record<symbol, unknown>)[KEY] = packed;
}

export function packed(): Packed | undefined {
  return (globalThis as Record<symbol, unknown>)[KEY] as Packed | undefined;
}
