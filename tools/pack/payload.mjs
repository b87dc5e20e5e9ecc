// What stands behind the launcher in its file. The reader, which states the layout, is
// targets/launcher/payload.hpp.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';

const MAGIC = 'RVEPACK1';
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** CRC-32C (Castagnoli). */
export function crc32c(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/**
 * The manifest's text. Files by path, so that the same files make the same bytes.
 * @param {string[]} command @param {{ path: string, mode: number, bytes: Uint8Array }[]} files
 */
export function manifestOf(command, files) {
  const lines = command.map((word) => {
    if (word.includes('\n')) throw new Error('a word of the command holds a line break');
    return `exec ${word}`;
  });
  for (const { path, mode, bytes } of files) {
    if (!/^[\w.+-]+(\/[\w.+-]+)*$/.test(path) || /(^|\/)\.\.?(\/|$)/.test(path)) {
      throw new Error(`"${path}" cannot stand in a manifest`);
    }
    const words = [mode, crc32c(bytes), bytes.length].map((value) => value.toString(16));
    lines.push(`file ${words.join(' ')} ${path}`);
  }
  return `${lines.join('\n')}\n`;
}

/** One zstd frame; one thread, so that the same input makes the same bytes. */
export function zstd(bytes, level) {
  const result = spawnSync('zstd', [`-${level}`, '-T1', '--no-check', '-q', '-c'], {
    input: bytes,
    maxBuffer: 1 << 30,
  });
  if (result.error !== undefined || result.status !== 0) {
    throw new Error(`zstd failed: ${result.error?.message ?? result.stderr}`);
  }
  return result.stdout;
}

/** Launcher, manifest, stream, trailer. */
export function pack(launcher, command, files, level) {
  const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : 1));
  const manifest = Buffer.from(manifestOf(command, sorted));
  const raw = Buffer.concat(sorted.map((file) => file.bytes));
  const stream = zstd(raw, level);
  const trailer = Buffer.alloc(64);
  trailer.write(MAGIC, 'latin1');
  trailer.writeBigUInt64LE(BigInt(manifest.length), 8);
  trailer.writeBigUInt64LE(BigInt(stream.length), 16);
  trailer.writeBigUInt64LE(BigInt(raw.length), 24);
  createHash('sha256').update(manifest).update(stream).digest().copy(trailer, 32);
  return { bytes: Buffer.concat([launcher, manifest, stream, trailer]), rawBytes: raw.length };
}
