import { join } from 'node:path';

import { setPacked, type PackedAddon } from '../../runtime/packed.js';
import { loadFromBytes, loadFromFile } from './addon.js';

/** Set by tools/pack: how this bundle is carried. What belongs to the others is left out of it. */
declare const PACK_METHOD: 'sea' | 'launcher' | 'slim';
declare const PACK_VERSION: string;

/** What tools/pack puts in front of a slim script. */
interface Embedded {
  machine: string;
  addons: Record<string, string>;
}

function loadAddon(name: PackedAddon): unknown {
  const file = `${name}.node`;
  if (PACK_METHOD === 'sea') {
    const sea = require('node:sea') as { getRawAsset(name: string): ArrayBuffer };
    return loadFromBytes(new Uint8Array(sea.getRawAsset(file)));
  }
  // The launcher has just verified it, and this script with it.
  if (PACK_METHOD === 'launcher') return loadFromFile(join(__dirname, file));
  const { machine, addons } = (globalThis as unknown as { rveEmbedded: Embedded }).rveEmbedded;
  const here = `${process.platform}-${process.arch}`;
  if (machine !== here) throw new Error(`this file is for ${machine}, this machine is ${here}`);
  const addon = addons[file];
  if (addon === undefined) throw new Error(`this file carries no ${file}`);
  return loadFromBytes(Buffer.from(addon, 'base64'));
}

setPacked({ version: PACK_VERSION, loadAddon });
