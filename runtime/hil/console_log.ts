// What a machine has said on its console, and waiting for words in it.

import { StringDecoder } from 'node:string_decoder';

import { StepFailure } from './world.js';

/** Kept for matching and for the report of a failure; a boot is some 20 KiB. */
const TEXT_MAX = 1024 * 1024;
const TAIL_LINES = 25;

interface Waiter {
  readonly pattern: RegExp;
  readonly not: RegExp | null;
  readonly resolve: (match: RegExpExecArray) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Text so far, and a mark that moves behind each match: the next wait looks only at what was said
 * after the last one found its words. One wait at a time.
 */
export class ConsoleLog {
  readonly #decoder = new StringDecoder('utf8');
  readonly #echo: (text: string) => void;
  #text = '';
  /** Of the text, what came after the last line's end. */
  #line = '';
  #mark = 0;
  #waiter: Waiter | null = null;
  #alarm: { pattern: RegExp; ring: (said: string) => void } | null = null;

  /** `echo` gets every piece as it comes, for a log file. */
  constructor(echo: (text: string) => void = () => undefined) {
    this.#echo = echo;
  }

  push(bytes: Buffer): void {
    const text = this.#decoder.write(bytes).replaceAll('\r', '');
    this.#echo(text);
    this.#text += text;
    if (this.#text.length > TEXT_MAX) {
      const cut = this.#text.length - TEXT_MAX / 2;
      this.#text = this.#text.slice(cut);
      this.#mark = Math.max(0, this.#mark - cut);
    }
    this.#listen(text);
    this.#look();
  }

  /** Calls `ring` when a line that comes from now on matches. One alarm at a time; null: none. */
  alarm(pattern: RegExp | null, ring: (said: string) => void = () => undefined): void {
    this.#alarm = pattern === null ? null : { pattern, ring };
  }

  #listen(text: string): void {
    this.#line += text;
    const lines = this.#line.split('\n');
    // A line without end is bounded like the text.
    this.#line = (lines.pop() ?? '').slice(-TEXT_MAX);
    for (const line of lines) {
      if (this.#alarm?.pattern.test(line) === true) this.#alarm.ring(line);
    }
  }

  /** The machine has no more to say: who waits is told why. */
  end(why: string): void {
    this.#look();
    const waiter = this.#waiter;
    this.#waiter = null;
    waiter?.reject(new StepFailure(`${why}; its last lines:\n${this.tail()}`));
  }

  /** A new start: what was said before does not count. */
  forget(): void {
    this.#mark = this.#text.length;
  }

  /** Resolves with the first match behind the last one. `not` fails the wait when it comes. */
  wait(pattern: RegExp, not: RegExp | null = null): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      this.#waiter = { pattern, not, resolve, reject };
      this.#look();
    });
  }

  giveUp(): void {
    this.#waiter = null;
  }

  tail(): string {
    return this.#text.trimEnd().split('\n').slice(-TAIL_LINES).join('\n');
  }

  #look(): void {
    const waiter = this.#waiter;
    if (waiter === null) return;
    const fresh = this.#text.slice(this.#mark);
    const bad = waiter.not?.exec(fresh) ?? null;
    const match = waiter.pattern.exec(fresh);
    if (bad !== null && (match === null || bad.index < match.index)) {
      this.#waiter = null;
      waiter.reject(new StepFailure(`the console said "${bad[0]}"; last lines:\n${this.tail()}`));
    } else if (match !== null) {
      this.#mark += match.index + match[0].length;
      this.#waiter = null;
      waiter.resolve(match);
    }
  }
}
