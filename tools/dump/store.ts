// A store as plain data, every checksum compared: the second reader of native/FORMAT.md.
import { FormatError, crc32c, hex32 } from './bytes.js';
import type { Identity, Slot } from './fixed.js';
import { Layout, readIdentity, readRunHeader, readSlot } from './fixed.js';
import type { Group, LogRecord, Walk } from './log.js';
import { LogWalker, bodyIsIntact, readGroupHeader, readRecords, showGroup } from './log.js';
import { type Manifest, readManifest, showEntry } from './manifest.js';
import { type LiveRecord, State } from './state.js';

export interface Dump {
  /** Sentences on what is damaged; empty: every checksum holds. */
  problems: string[];
  identity: Identity;
  slots: unknown[];
  manifest: unknown;
  log: unknown;
  segments: unknown[];
  tail: { rows: number; dead: number };
  nextId: number;
  records: LiveRecord[];
}

interface Root {
  slot: Slot;
  manifest: Manifest;
  walk: Walk;
}

class StoreReader {
  readonly problems: string[] = [];
  readonly layout: Layout;
  readonly #file: Uint8Array;

  constructor(file: Uint8Array) {
    this.#file = file;
    this.layout = new Layout(file.length);
    if (this.layout.chunkCount === 0) throw new FormatError('the file ends before its first chunk');
  }

  /** Runs `read`; what it finds impossible becomes a problem. */
  attempt<T>(what: string, read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof FormatError) && !(error instanceof TypeError)) throw error;
      this.problems.push(`${what}: ${error.message}`);
      return undefined;
    }
  }

  #page(index: number): Uint8Array {
    const at = this.layout.place(index);
    return this.#file.subarray(at, at + this.layout.page);
  }

  identity(): Identity {
    const first = this.attempt('identity', () => readIdentity(this.#page(0)));
    const copy = this.attempt('identity copy', () => readIdentity(this.#page(5)));
    const identity = first ?? copy;
    if (identity === undefined) throw new FormatError(this.problems.join('; '));
    return identity;
  }

  /** The newest root that can be read, and all slots as shown. */
  root(identity: Identity): { root: Root; slots: unknown[] } {
    const shown: unknown[] = [];
    const found: Slot[] = [];
    for (const [index, name] of ['A', 'A copy', 'B', 'B copy'].entries()) {
      const slot = this.attempt(`slot ${name}`, () =>
        readSlot(this.#page(index + 1), this.layout, identity.uuid));
      if (slot === undefined) continue;
      found.push(slot);
      const { manifestCrc, lastGroupCrc, ...rest } = slot;
      shown.push({
        name, ...rest, manifestCrc: hex32(manifestCrc), lastGroupCrc: hex32(lastGroupCrc),
      });
    }
    found.sort((a, b) => b.generation - a.generation);
    for (const slot of found) {
      const root = this.attempt(`root ${slot.generation}`, () => this.#readRoot(slot, identity));
      if (root !== undefined) return { root, slots: shown };
    }
    throw new FormatError(`no root can be read: ${this.problems.join('; ')}`);
  }

  #readRoot(slot: Slot, identity: Identity): Root {
    const run = readRunHeader(this.#file, this.layout, slot.manifest.firstChunk, identity.uuid);
    if (run.kind !== 'manifest' || run.sequence !== slot.generation) {
      throw new FormatError('the slot names something that is not its manifest');
    }
    if (slot.chunkCount > this.layout.chunkCount) throw new FormatError('the file is cut short');
    const at = this.layout.runAt(slot.manifest) + this.layout.page;
    const bytes = this.#file.subarray(at, at + slot.manifestBytes);
    if (crc32c(bytes) !== slot.manifestCrc) throw new FormatError('the manifest fails its crc');
    const manifest = readManifest(bytes, this.layout);
    if (manifest.lsn !== slot.manifestLsn || manifest.replayLsn !== slot.replayLsn) {
      throw new FormatError('manifest and slot disagree');
    }
    const walk = new LogWalker(this.#file, this.layout, identity.uuid, slot).walk();
    return { slot, manifest, walk };
  }

  /** The groups below the manifest's LSN that are still there, for show and for their checksums. */
  earlierGroups(manifest: Manifest, identity: Identity): Group[] {
    const groups: Group[] = [];
    for (const [index, { run, firstLsn }] of manifest.logRuns.entries()) {
      const end = manifest.logRuns[index + 1]?.firstLsn ?? manifest.lsn;
      const header = this.attempt(`log run ${run.firstChunk}`, () =>
        readRunHeader(this.#file, this.layout, run.firstChunk, identity.uuid));
      if (header !== undefined && (header.kind !== 'log' || header.firstLsn !== firstLsn)) {
        this.problems.push(`log run ${run.firstChunk}: is not the one that the manifest names`);
      }
      for (let lsn = firstLsn; lsn < end; ) {
        const inRun = this.layout.page + lsn - firstLsn;
        const at = this.layout.runAt(run) + inRun;
        const room = this.layout.runBytes(run) - inRun;
        const group = this.attempt(`group ${lsn}`, () =>
          readGroupHeader(this.#file, this.layout, at, room));
        if (group === undefined || group.lsn !== lsn) {
          lsn += this.layout.page; // perhaps the next one is sound
          continue;
        }
        const before = groups.at(-1);
        if (before !== undefined && before.lsn + before.length === lsn &&
          before.headerCrc !== group.previousCrc) {
          this.problems.push(`group ${lsn}: does not follow the one before`);
        }
        groups.push(group);
        lsn += group.length;
      }
    }
    return groups;
  }

  readBodies(groups: Group[], identity: Identity): void {
    for (const group of groups) {
      group.intact &&= bodyIsIntact(this.#file, group);
      if (!group.intact) {
        this.problems.push(`group ${group.lsn}: its body fails its checksum`);
        continue;
      }
      group.records = this.attempt(`group ${group.lsn}`, () =>
        readRecords(this.#file, group, this.layout, identity.dimensions)) ?? [];
    }
  }

  state(root: Root, earlier: Group[], identity: Identity): State {
    const state = new State(this.#file, this.layout, identity, root.manifest, (text) =>
      this.problems.push(text));
    const dead = new Set(root.manifest.tailDead);
    let ordinal = 0;
    for (const named of root.manifest.tail) {
      const group = earlier.find((one) => one.lsn === named.lsn && one.offset === named.offset);
      if (group === undefined || !group.intact || group.headerCrc !== named.headerCrc) {
        this.problems.push(`group ${named.lsn}: its ${named.rows} unsealed rows are lost`);
      } else if (state.addTailGroup(group, dead, ordinal) !== named.rows) {
        this.problems.push(`group ${named.lsn}: has not ${named.rows} rows`);
      }
      ordinal += named.rows;
    }
    for (const group of root.walk.groups) {
      this.attempt(`group ${group.lsn}`, () => {
        state.apply(group);
      });
    }
    return state;
  }

  segments(state: State): unknown[] {
    return state.segments.map(({ entry, dead, opened }) => {
      const parts = (opened?.parts ?? []).map((part) => {
        if (part.badPages.length > 0) {
          this.problems.push(
            `segment ${entry.id}: pages ${part.badPages} of its ${part.kind} part are damaged`);
        }
        return {
          kind: part.kind, dataPages: part.dataPages,
          sections: Object.fromEntries(
            [...part.sections].map(([kind, bytes]) => [kind, bytes.length])),
        };
      });
      const bad = opened?.badPieces() ?? [];
      if (bad.length > 0) {
        this.problems.push(`segment ${entry.id}: adopted pieces ${bad} are damaged`);
      }
      const graph = this.attempt(`segment ${entry.id}`, () => opened?.graph());
      if ((graph?.badLinks ?? 0) > 0) {
        this.problems.push(`segment ${entry.id}: bad links in its graph`);
      }
      return {
        ...(showEntry(entry) as object), dead: [...dead].sort((a, b) => a - b), contents: parts,
        pieces: opened?.pieces ?? [], tiers: opened?.tiers?.show(), graph: graph ?? null,
      };
    });
  }
}

function showRecord(record: LogRecord): unknown {
  if (record.type === 'PUT_BATCH') {
    const { times, payloads, sequence, norms, ids, labels, ...rest } = record;
    return {
      ...rest, ids, labels, times: times.map(Number), hasNorms: norms !== undefined,
      sequence: sequence === undefined ? null : Number(sequence),
      payloadBytes: payloads.map((bytes) => bytes.length),
    };
  }
  if (record.type === 'SEAL' || record.type === 'REPLACE') {
    const adds = record.adds.map(({ entry, dead }) => ({ entry: showEntry(entry), dead }));
    return { ...record, adds };
  }
  return record;
}

/** Reads a whole store. Throws FormatError where not even a root can be found. */
export function dumpStore(file: Uint8Array): Dump {
  const reader = new StoreReader(file);
  const identity = reader.identity();
  const { root, slots } = reader.root(identity);
  const earlier = reader.earlierGroups(root.manifest, identity);
  reader.readBodies(earlier, identity);
  reader.readBodies(root.walk.groups, identity);
  for (const hole of [...root.manifest.holes, ...root.walk.holes]) {
    reader.problems.push(`log ${hole.lsnFrom} to ${hole.lsnTo}: acknowledged, and damaged`);
  }
  const state = reader.state(root, earlier, identity);
  const segments = reader.segments(state);
  const records = reader.attempt('records', () => state.records()) ?? [];
  const { segments: named, ...rest } = root.manifest;
  const { walk } = root;
  return {
    problems: reader.problems,
    identity,
    slots,
    manifest: {
      generation: root.slot.generation,
      ...rest,
      tail: rest.tail.map((group) => ({ ...group, headerCrc: hex32(group.headerCrc) })),
      segments: named.map(({ entry, dead }) => ({ entry: showEntry(entry), dead })),
    },
    log: {
      runs: walk.runs,
      endLsn: walk.endLsn,
      torn: walk.torn,
      groups: [...earlier, ...walk.groups].map((group) =>
        showGroup(group, group.records.map(showRecord))),
    },
    segments,
    tail: state.tailCounts(),
    nextId: Math.max(state.nextId, root.slot.nextId),
    records,
  };
}
