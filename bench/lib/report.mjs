// What a bench found: printed as tables, written as JSON and SVG under bench/results.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { machine } from './machine.mjs';
import { median, shown } from './numbers.mjs';
import { chart } from './svg.mjs';

const HOLDS = {
  '>=': (value, bound) => value >= bound,
  '<=': (value, bound) => value <= bound,
  '<': (value, bound) => value < bound,
  '=': (value, bound) => value === bound,
};

function printTable(columns, rows) {
  const texts = [columns, ...rows.map((row) => row.map(shown))];
  const widths = columns.map((_, c) => Math.max(...texts.map((row) => row[c].length)));
  const numeric = columns.map((_, c) => c > 0);
  for (const [r, row] of texts.entries()) {
    const cells = row.map((text, c) =>
      numeric[c] ? text.padStart(widths[c]) : text.padEnd(widths[c]),
    );
    console.log(`  ${cells.join('  ').trimEnd()}`);
    if (r === 0) console.log(`  ${widths.map((w) => '-'.repeat(w)).join('  ')}`);
  }
}

export class Report {
  #name;
  #title;
  #folder;
  #figures = [];
  #tables = [];
  #plots = [];
  #notes = [];
  #machine = machine();
  #started = performance.now();

  constructor(name, title, folder) {
    this.#name = name;
    this.#title = title;
    this.#folder = folder;
  }

  /**
   * One figure, measured once per repeat. `target`: [operator, bound] or absent. It is judged by
   * the median of the repeats, since the machine is shared; `judge: 'worst'` takes the worst of
   * them.
   */
  figure(what, unit, values, target = null, judge = 'median') {
    const list = [values].flat();
    const middle = median(list);
    let held = null;
    if (target !== null) {
      const [operator, bound] = target;
      const judged =
        judge === 'worst'
          ? list.every((v) => HOLDS[operator](v, bound))
          : HOLDS[operator](middle, bound);
      held = judged;
    }
    const sum = { min: Math.min(...list), median: middle, max: Math.max(...list) };
    this.#figures.push({ what, unit, ...sum, values: list, target, judge, held });
  }

  /** This report, its figures, tables and plots under the name of what they are about. */
  about(name) {
    const file = (plot) => `${plot}-${name.replaceAll(' ', '-')}`;
    return {
      figure: (what, ...rest) => this.figure(`${name}: ${what}`, ...rest),
      table: (title, ...rest) => this.table(`${name}: ${title}`, ...rest),
      note: (text) => this.note(`${name}: ${text}`),
      plot: (plot, spec) => this.plot(file(plot), { ...spec, title: `${spec.title}, ${name}` }),
      kernels: (kernels) => this.kernels(kernels),
    };
  }

  table(title, columns, rows) {
    this.#tables.push({ title, columns, rows });
  }

  note(text) {
    this.#notes.push(text);
  }

  /** @param name of the file, without its ending @param spec as chart() takes it */
  plot(name, spec) {
    const m = this.#machine;
    const subtitle = `${m.cpu}, ${m.cores} cores, Node ${m.node}, ${m.date}`;
    this.#plots.push({ name, svg: chart({ subtitle, ...spec }) });
  }

  /** Instruction set of the distances, as stats() names it. */
  kernels(name) {
    this.#machine.kernels = name;
  }

  /** Prints everything and writes the files. True: every target was held. */
  end() {
    const m = this.#machine;
    const seconds = (performance.now() - this.#started) / 1000;
    console.log(`\n== ${this.#name}: ${this.#title}`);
    console.log(
      `  ${m.cpu}, ${m.cores} cores, ${m.memoryGiB} GiB, ${m.os}, Node ${m.node}, ` +
        `kernels ${m.kernels ?? '–'}, stores on ${m.fileSystem}, load before ${m.loadBefore}`,
    );
    if (m.fileSystemIsRam)
      console.log('  WARNING: stores lie in RAM; durable rates mean nothing here.');
    const rows = this.#figures.map((f) => [
      f.what,
      f.unit,
      f.min,
      f.median,
      f.max,
      f.target === null ? '' : `${f.target[0]} ${shown(f.target[1])}`,
      f.held === null ? '' : f.held ? 'held' : 'MISSED',
    ]);
    printTable(['figure', 'unit', 'min', 'median', 'max', 'target', ''], rows);
    for (const { title, columns, rows: cells } of this.#tables) {
      console.log(`\n  ${title}`);
      printTable(columns, cells);
    }
    for (const note of this.#notes) console.log(`  note: ${note}`);
    mkdirSync(this.#folder, { recursive: true });
    const path = join(this.#folder, `${this.#name}.json`);
    writeFileSync(
      path,
      `${JSON.stringify(
        {
          name: this.#name,
          title: this.#title,
          seconds,
          machine: m,
          figures: this.#figures,
          tables: this.#tables,
          notes: this.#notes,
        },
        null,
        2,
      )}\n`,
    );
    for (const { name, svg } of this.#plots) {
      writeFileSync(join(this.#folder, `${name}.svg`), svg);
    }
    const files = [`${this.#name}.json`, ...this.#plots.map((p) => `${p.name}.svg`)];
    console.log(`  ${seconds.toFixed(0)} s; ${files.join(', ')} in ${this.#folder}`);
    return this.#figures.every((f) => f.held !== false);
  }
}
