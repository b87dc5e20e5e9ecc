// Plays one scenario on one machine, step by step.

import { createHash } from 'node:crypto';
import { copyFile, open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

import { RveError } from '../errors/index.js';
import { Rng } from '../../sim/index.js';
import { countEntries } from './block_log.js';
import { Bearing, Sender } from './load.js';
import { checkImage, replayCuts } from './image_check.js';
import { HostBroker } from './host_broker.js';
import { Ledger } from './ledger.js';
import type { Machine } from './machine.js';
import { fillText, stepsOf, type Scenario, type Step, type StepOf } from './scenario.js';
import type { StepVerdict, Verdict } from './verdict.js';
import { atMost, StepFailure, type HilWorld } from './world.js';

export interface PlayOptions {
  readonly scenario: Scenario;
  readonly machine: Machine;
  readonly world: HilWorld;
  readonly seed: number;
  readonly target: string;
  /** For copies of disks and stores. */
  readonly folder: string;
  /** Aborted by Ctrl-C: the step in hand fails. */
  readonly signal: AbortSignal;
}

const QUERY_K = 10;
/** Questions in flight at once: the machine answers them one after the other anyway. */
const QUESTIONS_MAX = 8;

/** Plays all steps, or up to the first that fails; closes the machine. Never rejects for a step. */
export async function play(options: PlayOptions): Promise<Verdict> {
  const player = new Player(options);
  return player.play();
}

class Player {
  readonly #options: PlayOptions;
  readonly #world: HilWorld;
  readonly #machine: Machine;
  readonly #rng: Rng;
  readonly #ledger = new Ledger();
  readonly #figures: Record<string, number> = {};
  readonly #marks = new Map<string, number>();
  readonly #values = new Map<string, string>();
  readonly #broker: HostBroker | null;
  readonly #sender: Sender | null;
  readonly #questions: Bearing;
  /** Open while block writes are recorded, to read the count at each acknowledgement. */
  #log: FileHandle | null = null;

  constructor(options: PlayOptions) {
    const { scenario, machine, world, seed, target } = options;
    this.#options = options;
    this.#world = world;
    this.#machine = machine;
    this.#rng = new Rng(seed);
    this.#values.set('seed', `${seed}`).set('target', target);
    const section = scenario.broker;
    const dimensions = section?.dimensions ?? 128;
    this.#questions = new Bearing((seed ^ 0x9e37_79b9) >>> 0, dimensions);
    if (section === undefined) {
      this.#broker = null;
      this.#sender = null;
      return;
    }
    this.#broker = new HostBroker({
      section,
      onAcknowledged: (sequence) => {
        const entries = this.#log === null ? 0 : countEntries(this.#log.fd);
        this.#ledger.acknowledge(sequence, entries);
      },
    });
    this.#sender = new Sender(world, this.#broker, this.#ledger, { seed, dimensions });
  }

  async play(): Promise<Verdict> {
    const { scenario, seed } = this.#options;
    const startedAt = this.#world.monotonic();
    const steps = stepsOf(scenario);
    const verdicts: StepVerdict[] = [];
    try {
      await this.#open();
      for (const { step, title } of steps) {
        const verdict = await this.#playStep(step, title, startedAt);
        verdicts.push(verdict);
        this.#tell(verdict);
        if (verdict.outcome === 'failed') break;
      }
    } finally {
      await this.#close();
    }
    for (const { title } of steps.slice(verdicts.length)) {
      verdicts.push({ title, outcome: 'not_reached', seconds: 0, note: '' });
    }
    const failed = verdicts.find(({ outcome }) => outcome === 'failed');
    return {
      scenario: scenario.name,
      outcome: failed === undefined ? 'passed' : 'failed',
      seconds: (this.#world.monotonic() - startedAt) / 1000,
      seed,
      figures: this.#figures,
      steps: verdicts,
      note: failed === undefined ? '' : `${failed.title}: ${failed.note}`,
    };
  }

  async #open(): Promise<void> {
    if (this.#broker === null) return;
    await this.#broker.start();
    const { port } = this.#broker;
    // 10.0.2.2 is this host as a guest of QEMU's user network sees it.
    const { broker } = this.#options.scenario;
    const host = this.#machine.offers.has('vm') ? '10.0.2.2' : (broker?.host ?? '');
    this.#values.set('broker_port', `${port}`).set('broker_url', `mqtt://${host}:${port}`);
  }

  async #close(): Promise<void> {
    await this.#machine.close();
    await this.#sender?.stop();
    await this.#broker?.close();
    await this.#log?.close();
    this.#log = null;
  }

  #tell({ outcome, title, seconds, note }: StepVerdict): void {
    const mark = outcome === 'passed' ? 'ok  ' : 'FAIL';
    const tail = note === '' ? '' : `: ${note}`;
    this.#world.say(`  ${mark} ${seconds.toFixed(1).padStart(6)} s  ${title}${tail}`);
  }

  async #playStep(step: Step, title: string, startedAt: number): Promise<StepVerdict> {
    const stepAt = this.#world.monotonic();
    const seconds = (): number => (this.#world.monotonic() - stepAt) / 1000;
    const { time_max_s } = this.#options.scenario;
    const left = Math.max(0.01, time_max_s - (stepAt - startedAt) / 1000);
    const { signal } = this.#options;
    let onAbort = (): void => undefined;
    const { console } = this.#machine;
    const broken = new Promise<never>((_, reject) => {
      onAbort = () => reject(new StepFailure('stopped by the user'));
      signal.addEventListener('abort', onAbort);
      if (signal.aborted) onAbort();
      console.alarm(new RegExp(this.#options.scenario.machine.fatal), (said) =>
        reject(new StepFailure(`the console said "${said}"; last lines:\n${console.tail()}`)),
      );
    });
    try {
      const late = (): string => `the scenario's time_max_s = ${time_max_s} is over`;
      const note = await atMost(this.#world, left, late, Promise.race([this.#step(step), broken]));
      return { title, outcome: 'passed', seconds: seconds(), note };
    } catch (error) {
      // What the machine says or leaves is a finding. Anything else is our own fault, and shows.
      if (!(error instanceof StepFailure) && !(error instanceof RveError)) throw error;
      return { title, outcome: 'failed', seconds: seconds(), note: error.message };
    } finally {
      broken.catch(() => undefined);
      signal.removeEventListener('abort', onAbort);
      console.alarm(null);
      console.giveUp();
    }
  }

  /** Resolves with a note for people; rejects with a StepFailure. */
  async #step(step: Step): Promise<string> {
    switch (step.do) {
      case 'start':
        return this.#start(step);
      case 'expect':
        return this.#expect(step);
      case 'send':
        this.#machine.type(`${fillText(step.text, this.#values)}\n`);
        return '';
      case 'load':
        return this.#load(step);
      case 'load_stop':
        return this.#loadStop(step);
      case 'acknowledged':
        return this.#acknowledged(step);
      case 'stalled':
        return this.#stalled(step);
      case 'query':
        return this.#query(step);
      case 'ask':
        return this.#ask(step);
      case 'power_cut':
        return this.#powerCut(step);
      case 'ended':
        await this.#atMost(step.within_s, 'the machine is still on', this.#machine.ended());
        this.#broker?.left();
        return '';
      case 'bulk':
        return this.#bulk(step);
      case 'image':
        return this.#image();
      case 'replay':
        return this.#replay(step);
      case 'bound':
        return this.#bound(step);
    }
  }

  async #atMost<T>(seconds: number, what: string | (() => string), work: Promise<T>): Promise<T> {
    return atMost(this.#world, seconds, typeof what === 'string' ? () => what : what, work);
  }

  async #start(step: StepOf<'start'>): Promise<string> {
    const { machine } = this.#options.scenario;
    // A new log begins: what was acknowledged before lies in its base, for good.
    this.#ledger.settle();
    await this.#log?.close();
    this.#log = null;
    if (step.mark !== undefined) this.#marks.set(step.mark, this.#world.monotonic());
    await this.#machine.start({
      append: [machine.append, step.append]
        .map((text) => fillText(text, this.#values))
        .filter((text) => text !== '')
        .join(' '),
      clock: step.clock ?? machine.clock,
    });
    const log = this.#machine.blockLog?.log;
    if (log !== undefined) this.#log = await open(log, 'r');
    return '';
  }

  async #expect(step: StepOf<'expect'>): Promise<string> {
    const source = step.pattern ?? escapeRegExp(fillText(step.text ?? '', this.#values));
    const { console } = this.#machine;
    const not = step.not === undefined ? null : new RegExp(step.not, 'm');
    const match = await this.#atMost(
      step.within_s,
      () => `not heard on the console; its last lines:\n${console.tail()}\n`,
      console.wait(new RegExp(source, 'm'), not),
    );
    if (step.mark !== undefined) this.#marks.set(step.mark, this.#world.monotonic());
    const notes = step.figures.map((name, index) => {
      const value = Number(match[index + 1]);
      if (Number.isNaN(value)) {
        throw new StepFailure(`group ${index + 1} is no number: ${match[index + 1]}`);
      }
      this.#figures[name] = value;
      return `${name} ${value}`;
    });
    return notes.join(', ');
  }

  async #load(step: StepOf<'load'>): Promise<string> {
    const { broker, sender } = this.#talk();
    const before = this.#ledger.acknowledgedCount;
    await this.#joined(broker, step.within_s);
    const startedAt = this.#world.monotonic();
    const sent = sender.start({ count: step.count, rate: step.rate, inFlight: step.in_flight });
    if (step.background) {
      // A failure to publish is the broker's, on this host: it shows in the next step that waits.
      sent.catch(() => undefined);
      return '';
    }
    const goal = before + this.#ledger.inFlight + step.count;
    await this.#reach(goal, step.within_s, sent);
    const seconds = (this.#world.monotonic() - startedAt) / 1000;
    const rate = Math.round((this.#ledger.acknowledgedCount - before) / seconds);
    if (step.figure !== undefined) this.#figures[step.figure] = rate;
    return `${this.#ledger.acknowledgedCount - before} acknowledged, ${rate}/s`;
  }

  async #loadStop(step: StepOf<'load_stop'>): Promise<string> {
    await this.#talk().sender.stop();
    await this.#reach(this.#ledger.sentCount, step.within_s, Promise.resolve());
    return `${this.#ledger.acknowledgedCount} acknowledged, all that was sent`;
  }

  async #acknowledged(step: StepOf<'acknowledged'>): Promise<string> {
    const { broker } = this.#talk();
    const goal = this.#ledger.acknowledgedCount + step.more;
    await this.#joined(broker, step.within_s);
    await this.#reach(goal, step.within_s, Promise.resolve());
    return `${this.#ledger.acknowledgedCount} in all`;
  }

  async #reach(goal: number, seconds: number, sent: Promise<void>): Promise<void> {
    const what = (): string =>
      `${this.#ledger.acknowledgedCount} of ${goal} records are acknowledged; ` +
      `the console's last lines:\n${this.#machine.console.tail()}\n`;
    await this.#atMost(seconds, what, Promise.all([sent, this.#ledger.reach(goal)]));
  }

  /**
   * Something is in flight, and at last nothing of it is acknowledged for so long: what was
   * acknowledged just before may still be under way when the console tells of the trouble.
   */
  async #stalled(step: StepOf<'stalled'>): Promise<string> {
    this.#talk();
    const before = this.#ledger.acknowledgedCount;
    for (let waited = 0, last = before; ; last = this.#ledger.acknowledgedCount) {
      await this.#world.sleep(step.for_s * 1000);
      waited += step.for_s;
      const now = this.#ledger.acknowledgedCount;
      if (now === last) break;
      if (waited + step.for_s > step.within_s) {
        throw new StepFailure(
          `${now - before} records were acknowledged in ${waited} s, ${now - last} of them in the ` +
            `last ${step.for_s} s`,
        );
      }
    }
    if (this.#ledger.inFlight === 0) {
      throw new StepFailure('nothing was sent, so nothing can stall');
    }
    const late = this.#ledger.acknowledgedCount - before;
    return `${this.#ledger.inFlight} wait` + (late > 0 ? `, ${late} came late` : '');
  }

  /**
   * Each acknowledged record must be its own nearest neighbour. Ten are asked for: a search for one
   * alone may overlook it, approximate as it is, in one of some thousand.
   */
  async #query(step: StepOf<'query'>): Promise<string> {
    const { broker } = this.#talk();
    const records = this.#ledger.acknowledged;
    if (records.length === 0) throw new StepFailure('nothing was acknowledged yet: load first');
    const asked = step.sample === 0 ? records : sampleOf(records, step.sample, this.#rng);
    await this.#joined(broker, step.within_s);
    const missing: string[] = [];
    const latencies: number[] = [];
    const work = forEach(asked, QUESTIONS_MAX, async ({ sequence, vector }) => {
      const { scores, latencyUs } = await broker.ask(vector, QUERY_K);
      latencies.push(latencyUs);
      if (latencies.length === 1) this.#measure(step);
      const score = scores[0] ?? NaN;
      if (!(score >= step.score_min)) missing.push(`${sequence} (score ${score.toFixed(4)})`);
    });
    const late = (): string => `${latencies.length} of ${asked.length} queries are answered`;
    await this.#atMost(step.within_s, late, work);
    if (missing.length > 0) {
      const shown = missing.slice(0, 5).join(', ');
      throw new StepFailure(
        `${missing.length} of ${asked.length} acknowledged records are not found: ${shown}`,
      );
    }
    const us = p50(latencies);
    return `${asked.length} of ${records.length} acknowledged records found, p50 ${us} us`;
  }

  /** Questions about vectors that nobody stored: only an answer is asked for. */
  async #ask(step: StepOf<'ask'>): Promise<string> {
    const { broker } = this.#talk();
    await this.#joined(broker, step.within_s);
    const latencies: number[] = [];
    const work = async (): Promise<void> => {
      for (let asked = 0; asked < step.times; asked++) {
        const { ids, latencyUs } = await broker.ask(this.#questions.next(), step.k);
        if (ids.length === 0) throw new StepFailure('the answer has no record: it is empty');
        latencies.push(latencyUs);
        if (asked === 0) this.#measure(step);
      }
    };
    const late = (): string => `${latencies.length} of ${step.times} queries are answered`;
    await this.#atMost(step.within_s, late, work());
    return `${step.times} answered, p50 ${p50(latencies)} us`;
  }

  /** Milliseconds from a mark until now. */
  #measure({ since, figure }: { since?: string | undefined; figure?: string | undefined }): void {
    if (since === undefined || figure === undefined) return;
    const from = this.#marks.get(since);
    if (from === undefined) throw new StepFailure(`no earlier step set the mark "${since}"`);
    this.#figures[figure] = Math.round(this.#world.monotonic() - from);
  }

  async #powerCut(step: StepOf<'power_cut'>): Promise<string> {
    const acks = between(this.#rng, step.acks);
    const waitMs = between(this.#rng, step.wait_ms);
    if (acks > 0) {
      this.#talk();
      await this.#reach(this.#ledger.acknowledgedCount + acks, step.within_s, Promise.resolve());
    }
    await this.#world.sleep(waitMs);
    const { inFlight } = this.#ledger;
    await this.#machine.cut();
    this.#broker?.left();
    const facts = `${this.#ledger.acknowledgedCount} acknowledged, ${inFlight} in flight`;
    return `after ${acks} more acknowledgements and ${waitMs} ms; ${facts}`;
  }

  async #bulk(step: StepOf<'bulk'>): Promise<string> {
    const channel = this.#machine.bulk;
    if (channel === null) throw new StepFailure('the machine is off, or has no bulk channel');
    const bytes = Buffer.alloc(step.bytes);
    for (let at = 0; at + 4 <= bytes.length; at += 4) bytes.writeUInt32LE(this.#rng.uint32(), at);
    const wanted = createHash('sha256').update(bytes).digest('hex');
    const hash = createHash('sha256');
    let received = 0;
    let stop = (): void => undefined;
    const back = new Promise<void>((resolve) => {
      stop = channel.listen((piece) => {
        hash.update(piece);
        received += piece.length;
        if (received >= bytes.length) resolve();
      });
    });
    const startedAt = this.#world.monotonic();
    try {
      if (step.command !== undefined) {
        this.#values.set('bytes', `${step.bytes}`);
        this.#machine.type(`${fillText(step.command, this.#values)}\n`);
        const heard = this.#machine.console.wait(new RegExp(wanted));
        await channel.write(bytes);
        const what = (): string =>
          `the machine did not print ${wanted} for what it received; last lines:\n` +
          `${this.#machine.console.tail()}\n`;
        await this.#atMost(step.within_s, what, heard);
      } else {
        await channel.write(bytes);
      }
      const late = (): string => `${received} of ${bytes.length} bytes came back`;
      await this.#atMost(step.within_s, late, back);
    } finally {
      stop();
    }
    if (received !== bytes.length || hash.digest('hex') !== wanted) {
      const sent = bytes.length;
      throw new StepFailure(`${received} bytes came back, and they are not the ${sent} sent`);
    }
    const ms = Math.round(this.#world.monotonic() - startedAt);
    if (step.figure !== undefined) this.#figures[step.figure] = ms;
    return `${bytes.length} bytes there and back in ${ms} ms, sha256 equal on both sides`;
  }

  /** Everything acknowledged must be on the disk as the last cut left it. */
  async #image(): Promise<string> {
    const { folder, scenario } = this.#options;
    const disk = this.#machine.diskFile;
    if (disk === null) throw new StepFailure('the disk of this machine cannot be read from here');
    const image = join(folder, 'check.img');
    await copyFile(disk, image);
    const wanted = this.#ledger.acknowledged;
    const store = scenario.disk?.store ?? '';
    const finding = await checkImage(this.#world, { image, store, folder, wanted });
    await rm(image, { force: true });
    if (finding !== null) throw new StepFailure(finding);
    return `${wanted.length} acknowledged records, all there`;
  }

  async #replay(step: StepOf<'replay'>): Promise<string> {
    const { folder, scenario } = this.#options;
    const files = this.#machine.blockLog;
    if (files === null) throw new StepFailure('the machine records no block writes');
    const result = await replayCuts(this.#world, {
      ...files,
      store: scenario.disk?.store ?? '',
      folder,
      ledger: this.#ledger,
      cuts: step.cuts,
      drops: step.drops,
      random: () => this.#rng.uniform(),
    });
    const { bad, cuts, entries, dropped } = result;
    const facts =
      `${cuts} cuts of ${entries} entries, ` + `${dropped} writes dropped, ${bad.length} bad`;
    const example = bad[0] === undefined ? '' : `; first at entry ${bad[0].cut}: ${bad[0].finding}`;
    if (step.outcome === 'kept' && bad.length > 0) throw new StepFailure(`${facts}${example}`);
    if (step.outcome === 'lost' && bad.length === 0) {
      throw new StepFailure(`${facts}: what is broken went unnoticed, so this shows nothing`);
    }
    return `${facts}${example}`;
  }

  async #bound(step: StepOf<'bound'>): Promise<string> {
    const value = this.#figures[step.figure];
    if (value === undefined) throw new StepFailure(`no earlier step measured ${step.figure}`);
    if (value > step.max) throw new StepFailure(`${step.figure} is ${value}, above ${step.max}`);
    return `${step.figure} ${value}, at most ${step.max}`;
  }

  async #joined(broker: HostBroker, seconds: number): Promise<void> {
    const what = (): string =>
      `the machine is not connected to the broker on port ${broker.port}; last lines:\n` +
      `${this.#machine.console.tail()}\n`;
    await this.#atMost(seconds, what, broker.joined());
  }

  #talk(): { broker: HostBroker; sender: Sender } {
    if (this.#broker === null || this.#sender === null) {
      throw new StepFailure('the scenario has no section [broker]');
    }
    return { broker: this.#broker, sender: this.#sender };
  }
}

function between(rng: Rng, [least, most]: readonly [number, number]): number {
  return least + Math.floor(rng.uniform() * (most - least + 1));
}

function sampleOf<T>(list: readonly T[], count: number, rng: Rng): T[] {
  if (count >= list.length) return [...list];
  const chosen = new Set<number>();
  while (chosen.size < count) chosen.add(Math.floor(rng.uniform() * list.length));
  return [...chosen].map((index) => list[index] as T);
}

async function forEach<T>(
  list: readonly T[],
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let item = list[next++]; item !== undefined; item = list[next++]) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(width, list.length) }, lane));
}

function p50(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round(sorted[Math.floor(sorted.length / 2)] ?? NaN);
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
