import { join } from 'node:path';

import { setPacked } from '../../runtime/packed.js';
import { loadFromBytes, loadFromFile } from './addon.js';

/** Set by tools/pack: how this bundle is carried. What belongs to the others is left out of it. */
declare const PACK_METHOD: 'sea' | 'launcher' | 'slim';
declare const PACK_VERSION: string;

const ADDON = 'ruvector_edge.node';

function loadAddon(): unknown {
  if (PACK_METHOD === 'sea') {
    // Not bundled by esbuild, and unknown to Node 20's typings in this form.
    const sea = require('node:sea') as { getRawAsset(name: string): ArrayBuffer };
    return loadFromBytes(new Uint8Array(sea.getRawAsset(ADDON)));
  }
  if (PACK_METHOD === 'slim') {
    // tools/pack appends it, and the machine that it is for.
    const embedded = (globalThis as { rveEmbedded?: { machine: string; addon: string } }).rveEmbedded;
    if (embedded === undefined) throw new Error('this file is cut short: copy it again');
    const machine = `${process.platform}-${process.arch}`;
    if (embedded.machine !== machine) {
      throw new Error(`this file is for ${embedded.machine}, this machine is ${machine}`);
    }
    return loadFromBytes(Buffer.from(embedded.addon, 'base64'));
  }
  // The launcher has just verified it, and this file with it.
  return loadFromFile(join(__dirname, ADDON));
}

setPacked({ version: PACK_VERSION, loadAddon });
