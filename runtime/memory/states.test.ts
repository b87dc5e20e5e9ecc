// Each method of Memory in each state that it can meet: open, held by another opener, closed,
// read-only.

import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RveCode } from '../errors/index.js';
import { Memory } from './index.js';
import { collect, fresh, freshPath, open, refuses, rows } from './store.fixture.js';

interface Row {
  name: string;
  call: (memory: Memory) => unknown;
  open: RveCode | 'fine';
  closed: RveCode | 'fine';
  readOnly: RveCode | 'fine';
}

const vector = Float32Array.of(1, 0, 0, 0);
const METHODS: Row[] = [
  change('insert', (memory) => memory.insert(vector)),
  change('insert of no rows', (memory) => memory.insert(new Float32Array(0))),
  change('tryInsert', (memory) => memory.tryInsert(vector)),
  change('forget by id', (memory) => memory.forget([0])),
  change('forget by source', (memory) => memory.forget({ source: 's' })),
  change('checkpoint', (memory) => memory.checkpoint()),
  change('settle', (memory) => memory.settle()),
  read('query', (memory) => memory.query({ vector })),
  read('querySync', (memory) => memory.querySync({ vector })),
  read('queryMany', (memory) => memory.queryMany({ vectors: vector })),
  read('get', (memory) => memory.get([0])),
  read('scan', (memory) => collect(memory.scan())),
  read('stats', (memory) => memory.stats()),
  read('flush', (memory) => memory.flush()),
  read('waitDurable', (memory) => memory.waitDurable(0)),
  read('check', (memory) => memory.check()),
  {
    name: 'feedback',
    call: (memory) => memory.feedback({ query: vector, id: 0, reward: 1 }),
    open: 'ERR_NOT_AVAILABLE',
    closed: 'ERR_CLOSED',
    readOnly: 'ERR_NOT_AVAILABLE',
  },
  {
    name: 'close',
    call: (memory) => memory.close(),
    open: 'fine',
    closed: 'fine',
    readOnly: 'fine',
  },
];

function change(name: string, call: Row['call']): Row {
  return { name, call, open: 'fine', closed: 'ERR_CLOSED', readOnly: 'ERR_READ_ONLY' };
}

function read(name: string, call: Row['call']): Row {
  return { name, call, open: 'fine', closed: 'ERR_CLOSED', readOnly: 'fine' };
}

async function meets(expected: RveCode | 'fine', call: () => unknown): Promise<void> {
  if (expected === 'fine') await call();
  else await refuses(expected, call);
}

async function stored(): Promise<string> {
  const path = freshPath();
  const memory = await open(path, { dimensions: 4 });
  await memory.insert(vector, { source: 's' });
  await memory.close();
  return path;
}

describe.each(METHODS)('$name', (method) => {
  it(`on an open memory is ${method.open}`, async () => {
    await meets(method.open, async () => method.call(await open(await stored())));
  });

  it(`on a closed memory is ${method.closed}`, async () => {
    const memory = await open(await stored());
    await memory.close();
    await meets(method.closed, () => method.call(memory));
  });

  it(`while the memory closes is ${method.closed}`, async () => {
    const memory = await open(await stored());
    const closing = memory.close();
    await meets(method.closed, () => method.call(memory));
    await closing;
  });

  it(`on a read-only memory is ${method.readOnly}`, async () => {
    const memory = await open(await stored(), { readOnly: true });
    expect(memory.readOnly).toBe(true);
    await meets(method.readOnly, () => method.call(memory));
  });

  it('leaves a memory that another opener tried to take as it was', async () => {
    const path = await stored();
    const memory = await open(path);
    await refuses('ERR_BUSY', () => Memory.open(path));
    await meets(method.open, () => method.call(memory));
  });
});

describe('open', () => {
  it('names the pid of a holder', async () => {
    const path = await stored();
    await open(path);
    for (const options of [{}, { readOnly: true }]) {
      const error = await refuses('ERR_BUSY', () => Memory.open(path, options));
      expect(error.message).toContain(String(process.pid));
    }
  });

  it('lets several readers in, and no writer beside them', async () => {
    const path = await stored();
    const first = await open(path, { readOnly: true });
    const second = await open(path, { readOnly: true });
    expect((await first.get([0]))[0]?.id).toBe((await second.get([0]))[0]?.id);
    await refuses('ERR_BUSY', () => Memory.open(path));
    await first.close();
    await second.close();
    await (await open(path)).insert(vector);
  });

  it('lets the next one in after close', async () => {
    const path = await stored();
    for (let i = 0; i < 3; i++) {
      const memory = await open(path);
      await memory.insert(vector);
      await memory.close();
    }
    expect((await open(path)).stats().live).toBe(4);
  });

  it('refuses what is no memory and leaves it as it is', async () => {
    const path = freshPath();
    const text = 'a text of some kind\n'.repeat(60_000);
    writeFileSync(path, text);
    await refuses('ERR_NOT_A_STORE', () => Memory.open(path, { dimensions: 4 }));
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  it('refuses links, folders and missing files', async () => {
    const path = await stored();
    const link = join(dirname(path), 'link.rve');
    symlinkSync(path, link);
    await refuses('ERR_NOT_REGULAR', () => Memory.open(link));
    const folder = join(dirname(path), 'folder.rve');
    mkdirSync(folder);
    await refuses('ERR_NOT_REGULAR', () => Memory.open(folder));
    await refuses('ERR_NOT_FOUND', () => Memory.open(freshPath(), { readOnly: true }));
    await refuses('ERR_NOT_FOUND', () =>
      Memory.open(join(freshPath(), 'deeper.rve'), { dimensions: 4 }),
    );
    await refuses('ERR_OPTION', () => Memory.open(freshPath()));
  });

  it.skipIf(process.getuid?.() === 0)('refuses a folder that may not be written', async () => {
    const path = freshPath();
    chmodSync(dirname(path), 0o500);
    await refuses('ERR_PERMISSION', () => Memory.open(path, { dimensions: 4 }));
  });

  it('repairs a store whose roots are gone, and keeps the old file', async () => {
    const path = await stored();
    const bytes = readFileSync(path);
    // Both slots and their copies (FORMAT.md): 64 KiB to 320 KiB.
    const damaged = Buffer.from(bytes);
    damaged.fill(0x55, 64 * 1024, 260 * 1024);
    writeFileSync(path, damaged);
    await refuses('ERR_CORRUPT', () => Memory.open(path));
    expect((await Memory.check(path)).ok).toBe(false);
    await Memory.repair(path);
    expect(readFileSync(`${path}.damaged`).equals(damaged)).toBe(true);
    const memory = await open(path);
    expect((await memory.get([0]))[0]?.source).toBe('s');
    expect((await memory.check({ deep: true })).ok).toBe(true);
  });

  it('checks a store without opening it', async () => {
    const path = await stored();
    expect(await Memory.check(path)).toMatchObject({ ok: true, damaged: [] });
    await refuses('ERR_NOT_FOUND', () => Memory.check(freshPath()));
    await refuses('ERR_ARGUMENT', () => Memory.check(7 as never));
    await refuses('ERR_ARGUMENT', () => Memory.repair(''));
  });
});

describe('close', () => {
  it('stores every insert that was called before it', async () => {
    const path = freshPath();
    const memory = await open(path, { dimensions: 4 });
    const inserts = Array.from({ length: 200 }, () => memory.insert(vector));
    await memory.close();
    expect((await Promise.all(inserts)).length).toBe(200);
    expect((await open(path)).stats().live).toBe(200);
  });

  it('may be called many times and ends once', async () => {
    const memory = await fresh();
    const closing = memory.close();
    expect(memory.close()).toBe(closing);
    expect(memory.closed).toBe(true);
    await closing;
    await memory.close();
  });

  it('settles every query that was called before it', async () => {
    const memory = await fresh();
    await memory.insert(rows(2000, 4));
    const queries = Array.from({ length: 50 }, () => memory.query({ vector }));
    const reads = [memory.get([0]), collect(memory.scan()), memory.check()];
    const settled = Promise.allSettled([...queries, ...reads]);
    await memory.close();
    for (const outcome of await settled) {
      if (outcome.status === 'fulfilled') continue;
      expect(['ERR_CLOSED', 'ERR_ABORTED']).toContain((outcome.reason as { code: string }).code);
    }
  });
});
