// NDJSON from a stream: one line at a time, never more than one line in memory.

/** The largest thing anyone puts in a line: a batch of about 2,000 vectors of 128 numbers. */
export const LINE_BYTES_MAX = 8 * 1024 * 1024;

export interface Line {
  /** From 1, as editors count; blank lines count too. */
  number: number;
  /** Null: longer than the limit (`problem` says so) or not UTF-8. Its bytes are gone. */
  text: string | null;
  problem: string;
  /** Of the stream up to the end of this line. */
  bytesRead: number;
}

const NEWLINE = 10;

/** The non-blank lines of `stream`. An overlong one is reported and skipped in constant memory. */
export async function* readLines(
  stream: AsyncIterable<Uint8Array>,
  bytesMax = LINE_BYTES_MAX,
): AsyncGenerator<Line> {
  const cutter = new LineCutter(bytesMax);
  for await (const piece of stream) {
    for (const line of cutter.push(piece)) yield line;
  }
  const last = cutter.end();
  if (last !== null) yield last;
}

/**
 * The items of `source` until `stop` resolves: a reader that waits for a terminal must not hold up
 * the end of the program. What the source gives afterwards is not read.
 */
export async function* untilStopped<T>(
  source: AsyncIterable<T>,
  stop: Promise<void>,
): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  const stopped = stop.then(() => ({ done: true, value: undefined }) as const);
  for (;;) {
    const next = await Promise.race([iterator.next(), stopped]);
    if (next.done === true) return;
    yield next.value;
  }
}

class LineCutter {
  readonly #bytesMax: number;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true });
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #number = 0;
  #bytesRead = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  *push(piece: Uint8Array): Generator<Line> {
    let from = 0;
    for (let end = piece.indexOf(NEWLINE); end !== -1; end = piece.indexOf(NEWLINE, from)) {
      this.#keep(piece.subarray(from, end));
      this.#bytesRead++;
      from = end + 1;
      const line = this.#cut();
      if (line !== null) yield line;
    }
    this.#keep(piece.subarray(from));
  }

  /** A last line needs no newline. */
  end(): Line | null {
    return this.#bytes === 0 ? null : this.#cut();
  }

  #keep(part: Uint8Array): void {
    this.#bytes += part.length;
    this.#bytesRead += part.length;
    if (this.#bytes > this.#bytesMax) this.#parts = [];
    // A stream may reuse its buffer once we come back for more.
    else if (part.length > 0) this.#parts.push(part.slice());
  }

  #cut(): Line | null {
    const tooLong = this.#bytes > this.#bytesMax;
    const bytes = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#bytes = 0;
    this.#number++;
    const line = { number: this.#number, bytesRead: this.#bytesRead };
    if (tooLong) return { ...line, text: null, problem: `longer than ${this.#bytesMax} bytes` };
    try {
      const text = this.#decoder.decode(bytes).trim();
      return text === '' ? null : { ...line, text, problem: '' };
    } catch {
      return { ...line, text: null, problem: 'not UTF-8' };
    }
  }
}
