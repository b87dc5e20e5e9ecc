import { describe, expect, it } from 'vitest';

import { fakeWorld } from './context.fixture.js';

const lines = (...objects: object[]): string =>
  objects.map((one) => `${JSON.stringify(one)}\n`).join('');

describe('the command line', () => {
  it('explains itself without arguments, and says that this was no command', async () => {
    const { code, stderr } = await fakeWorld().rve([]);
    expect(code).toBe(2);
    expect(stderr).toContain('usage: rve COMMAND');
    for (const name of [
      'serve',
      'insert',
      'query',
      'get',
      'forget',
      'stats',
      'check',
      'export',
      'import',
      'replay',
    ]) {
      expect(stderr).toContain(`\n  ${name}`);
    }
  });

  it('prints its version, and each help, with exit 0', async () => {
    const world = fakeWorld();
    expect(await world.rve(['--version'])).toEqual({ code: 0, stdout: 'rve 9.9.9\n', stderr: '' });
    expect(JSON.parse((await world.rve(['version', '--json'])).stdout)).toEqual({
      version: '9.9.9',
    });
    for (const argv of [
      ['help'],
      ['-h'],
      ['help', 'query'],
      ['query', '--help'],
      ['help', 'config'],
    ]) {
      const { code, stdout } = await world.rve(argv);
      expect(code, argv.join(' ')).toBe(0);
      for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(110);
    }
    expect((await world.rve(['help', 'config'])).stdout).toContain('embedding_dim = 0');
  });

  it('names the nearest command and the nearest option', async () => {
    const world = fakeWorld();
    const command = await world.rve(['qurey']);
    expect(command.code).toBe(2);
    expect(command.stderr).toContain('Did you mean "query"?');
    const option = await world.rve(['query', 'a.rve', '--vectr', '1']);
    expect(option.code).toBe(2);
    expect(option.stderr).toBe(
      'rve: query: unknown option --vectr. Did you mean --vector?\n' +
        'usage: rve query STORE [--vector V] [-k N] [OPTION...]\n',
    );
  });

  it('shows the one-line usage for a missing or surplus argument', async () => {
    const world = fakeWorld();
    const cases: [string[], string][] = [
      [['query'], 'STORE is missing'],
      [['get', 'a.rve'], 'ID... is missing'],
      [['stats', 'a', 'b'], 'unexpected argument "b"'],
      [['replay', 'cwru'], 'PATH is missing'],
      [['query', 'a.rve'], 'give either --vector or --like'],
      [['forget', 'a.rve'], 'give either ids or --source'],
      [['replay', 'cwru', 'x'], '--to mqtt://host[:port] is missing'],
      [['serve'], 'give --config FILE or --sim'],
    ];
    for (const [argv, expected] of cases) {
      const { code, stderr, stdout } = await world.rve(argv);
      expect(code, argv.join(' ')).toBe(2);
      expect(stderr).toContain(expected);
      expect(stderr).toContain(`usage: rve ${argv[0]}`);
      expect(stdout).toBe('');
    }
  });

  it('refuses values out of range, missing, doubled or of another kind', async () => {
    const world = fakeWorld();
    for (const argv of [
      ['-k', '0'],
      ['-k', '1025'],
      ['-k', 'ten'],
      ['-k', '1.5'],
      ['--ef', '--json'],
      ['-k'],
      ['-k', '1', '-k', '2'],
      ['--json=yes'],
      ['--from', 'yesterday'],
    ]) {
      const { code, stderr } = await world.rve(['query', 'a.rve', '--vector', '1', ...argv]);
      expect(code, argv.join(' ')).toBe(2);
      expect(stderr, argv.join(' ')).toMatch(/^rve: query: .*\nusage: /);
    }
    expect((await world.rve(['insert', 'a.rve', '--metric', 'cosin'])).stderr).toContain(
      'Did you mean "cosine"?',
    );
    expect((await world.rve(['get', 'a.rve', '-1'])).code).toBe(2);
    expect((await world.rve(['get', 'a.rve', '281474976710656'])).stderr).toContain('no id');
  });

  it('says with --json one object on stdout and one line on stderr', async () => {
    const { code, stdout, stderr } = await fakeWorld().rve(['stats', 'none.rve', '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toEqual({
      error: { code: 'ERR_NOT_FOUND', message: 'there is no store at none.rve' },
    });
    expect(stderr).toMatch(/^rve: there is no store at none\.rve\. Try: .+\n$/);
    const usage = await fakeWorld().rve(['--json', 'stats']);
    expect(JSON.parse(usage.stdout)).toMatchObject({ error: { code: 'ERR_USAGE' } });
  });

  it('says that a command of a later version is one', async () => {
    const { code, stderr } = await fakeWorld().rve(['bench', 'insert']);
    expect(code).toBe(1);
    expect(stderr).toContain('bench is not in this version');
  });
});

describe('insert', () => {
  it('creates a store when told its dimensions, and stores every key of a line', async () => {
    const world = fakeWorld();
    const input = lines(
      { v: [1, 2], source: 'pump-1', boot: 9, seq: 0, t: 5, label: 'good', payload: { rpm: 1750 } },
      {
        vectors: [
          [3, 4],
          [5, 6],
        ],
        ids: [70, 71],
        labels: ['a', null],
        times: [6, 7],
        source: 'pump-1',
      },
      { v32: Buffer.from(Float32Array.of(7, 8).buffer).toString('base64'), payload64: 'AAEC' },
    );
    const { code, stdout } = await world.rve(
      ['insert', 'new.rve', '--dims', '2', '--metric', 'l2'],
      input,
    );
    expect({ code, stdout }).toEqual({ code: 0, stdout: '4 stored\n' });
    const { records, metric } = world.stores.files.get('new.rve')!;
    expect(metric).toBe('l2');
    expect(records.get(0)).toMatchObject({
      vector: Float32Array.of(1, 2),
      source: 'pump-1',
      time: 5,
      label: 'good',
      payload: { rpm: 1750 },
    });
    expect(records.get(70)).toMatchObject({ label: 'a', time: 6 });
    expect(records.get(71)).toMatchObject({ label: null, time: 7, vector: Float32Array.of(5, 6) });
    const last = [...records.values()].find(({ source }) => source === null)!;
    expect(last).toMatchObject({ vector: Float32Array.of(7, 8), payload: Uint8Array.of(0, 1, 2) });
  });

  it('says how to create a store that is not there', async () => {
    const { code, stderr } = await fakeWorld().rve(['insert', 'new.rve'], lines({ v: [1] }));
    expect(code).toBe(1);
    expect(stderr).toContain('there is no store at new.rve. Give --dims N to create it.');
  });

  it('stores every line above a bad one, names it by number, and stops', async () => {
    const world = fakeWorld();
    const input = `${lines({ v: [1, 1] }, { v: [2, 2] })}\n${lines({ v: [1] }, { v: [3, 3] })}`;
    const { code, stdout, stderr } = await world.rve(['insert', 'a.rve', '--dims', '2'], input);
    expect(code).toBe(1);
    expect(stderr).toBe(
      'rve: line 4: the vector has 1 numbers, the store has 2. (ERR_DIMENSIONS)\n',
    );
    expect(stdout).toBe('2 stored, 1 bad line\n');
    expect(world.stores.files.get('a.rve')!.records.size).toBe(2);
  });

  it('goes on behind bad lines with --continue-on-error, and loses no good one', async () => {
    const world = fakeWorld();
    const bad = [
      'no json',
      '[1,2]',
      '{}',
      '{"v":[1]}',
      '{"v":[1,"x"]}',
      '{"v":[1,null]}',
      '{"v":[1,1e39]}',
      '{"v":[0,0]}',
      '{"v":[1,2],"vectors":[[1,2]]}',
      '{"v":[1,2],"id":-1}',
      '{"v":[1,2],"id":1.5}',
      '{"v":[1,2],"id":281474976710656}',
      '{"v":[1,2],"soruce":"x"}',
      '{"v":[1,2],"t":"now"}',
      '{"v":[1,2],"boot":1}',
      '{"v":[1,2],"boot":1,"seq":1}',
      '{"v":[1,2],"boot":4294967296,"seq":1,"source":"x"}',
      '{"v":[1,2],"source":""}',
      '{"v":[1,2],"label":7}',
      `{"v":[1,2],"label":"${'x'.repeat(257)}"}`,
      '{"v":[1,2],"ids":[1]}',
      '{"vectors":[[1,2]],"ids":[1,2]}',
      '{"vectors":[[1,2],[3,4]],"ids":[1,1]}',
      '{"vectors":[]}',
      '{"vectors":[1,2,3]}',
      '{"v":[1,2],"dims":3}',
      '{"v32":"AAAA"}',
      '{"v32":"?"}',
      '{"v32":[1]}',
      '{"v":[1,2],"payload64":"?"}',
      '{"v":[1,2],"payload_cbor":"gg=="}',
      '{"v":[1,2],"payload":1,"payload64":"AA=="}',
      '{"v":[1,2],"payload_cbor":"n/8="}',
    ];
    const input = bad.map((line, index) => `${line}\n${lines({ v: [index + 1, 1] })}`).join('');
    const { code, stdout, stderr } = await world.rve(
      ['insert', 'a.rve', '--dims', '2', '--continue-on-error', '--json'],
      input,
    );
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      stored: bad.length,
      bad: bad.length,
      duplicates: 0,
    });
    bad.forEach((line, index) => expect(stderr, line).toContain(`rve: line ${2 * index + 1}: `));
    const values = [...world.stores.files.get('a.rve')!.records.values()].map(
      ({ vector }) => vector[0],
    );
    expect(values).toEqual(bad.map((_, index) => index + 1));
  });

  it('names bytes that are no UTF-8, and a line that never ends, without holding it', async () => {
    const world = fakeWorld();
    const input = Buffer.concat([
      Buffer.from([0x7b, 0xff, 0x7d, 10]),
      Buffer.alloc(9 * 1024 * 1024, 0x20),
      Buffer.from(`\n${lines({ v: [1] })}`),
    ]);
    const { stdout, stderr } = await world.rve(
      ['insert', 'a.rve', '--dims', '1', '--continue-on-error'],
      input,
    );
    expect(stderr).toContain('line 1: not UTF-8');
    expect(stderr).toContain('line 2: longer than 8388608 bytes');
    expect(stdout).toBe('1 stored, 2 bad lines\n');
  });

  it('ends at Ctrl-C while it waits for a line, and keeps what came before', async () => {
    const world = fakeWorld();
    let stop: (cause: string) => void = () => undefined;
    const stdin = (async function* () {
      yield Buffer.from('{"v":[1]}\n{"v":[2]}\n{"v":');
      stop('SIGINT');
      await new Promise(() => undefined);
    })();
    const { code, stdout, stderr } = await world.rve(['insert', 'a.rve', '--dims', '1'], '', {
      stdin,
      onStop: (handler) => {
        stop = handler;
        return () => undefined;
      },
    });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '2 stored\n' });
    expect(stderr).toContain('rve: stopped behind line 2.');
  });

  it('counts what the store knew already', async () => {
    const world = fakeWorld();
    const input = lines(
      ...[0, 1, 1, 2].map((seq) => ({ v: [seq + 1], source: 'a', boot: 1, seq })),
    );
    expect((await world.rve(['insert', 'a.rve', '--dims', '1'], input)).stdout).toBe(
      '3 stored, 1 known already\n',
    );
  });

  it('puts many lines into few calls, also when sources alternate', async () => {
    const world = fakeWorld();
    const input = lines(
      ...Array.from({ length: 3000 }, (_, i) => ({
        v: [i + 1],
        source: `s${i % 3}`,
        boot: 1,
        seq: Math.floor(i / 3),
      })),
    );
    expect((await world.rve(['insert', 'a.rve', '--dims', '1'], input)).stdout).toBe(
      '3,000 stored\n',
    );
    expect(world.stores.inserts).toHaveLength(3);
  });

  it('lets a later line with the same id win', async () => {
    const world = fakeWorld();
    const input = lines({ v: [1], id: 5 }, { v: [2], id: 6 }, { v: [3], id: 5 });
    await world.rve(['insert', 'a.rve', '--dims', '1'], input);
    expect(world.stores.files.get('a.rve')!.records.get(5)!.vector[0]).toBe(3);
  });

  it('names the one line of a batch that the store refuses, and stores the others', async () => {
    const world = fakeWorld();
    const { RveError } = await import('../errors/index.js');
    world.stores.beforeInsert = (matrix) => {
      if (matrix.includes(13)) throw new RveError('ERR_SYMBOLS', 'too many labels');
    };
    const input = lines(...[11, 12, 13, 14].map((value) => ({ v: [value], label: `l${value}` })));
    const { code, stdout, stderr } = await world.rve(['insert', 'a.rve', '--dims', '1'], input);
    expect(code).toBe(1);
    expect(stdout).toBe('3 stored, 1 bad line\n');
    expect(stderr).toBe('rve: line 3: too many labels (ERR_SYMBOLS)\n');
  });

  it('fails when the store fails, with its code', async () => {
    const world = fakeWorld();
    const { RveError } = await import('../errors/index.js');
    world.stores.beforeInsert = () => {
      throw new RveError('ERR_NO_SPACE', 'the disk is full');
    };
    const { code, stdout } = await world.rve(
      ['insert', 'a.rve', '--dims', '1', '--json'],
      lines({ v: [1] }),
    );
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toEqual({
      error: { code: 'ERR_NO_SPACE', message: 'the disk is full' },
    });
  });
});

describe('export and import', () => {
  it('bring every bit of every record back', async () => {
    const world = fakeWorld();
    const file = world.stores.make('a.rve', 2, 'l2');
    const payloads: unknown[] = [
      null,
      { deep: [1, 'ü', null, true] },
      Uint8Array.of(0, 255),
      NaN,
      new Map([[1, 'one']]),
      7.25,
      { bytes: Uint8Array.of(1) },
      'text',
      0.1,
      [],
    ];
    payloads.forEach((payload, id) =>
      file.records.set(id * 1000, {
        id: id * 1000,
        vector: Float32Array.of(Math.fround(0.1 + id), -1e-42),
        time: id - 5,
        tier: 'hot',
        payload,
        source: id % 2 === 0 ? 'pump-1' : null,
        label: id % 3 === 0 ? 'ok' : null,
      }),
    );
    const first = await world.rve(['export', 'a.rve']);
    expect(first.code).toBe(0);
    expect(JSON.parse(first.stdout.split('\n')[0]!)).toEqual({
      rve_export: 1,
      dims: 2,
      metric: 'l2',
    });
    const load = await world.rve(['import', 'b.rve'], first.stdout);
    expect(load).toMatchObject({ code: 0, stdout: `${payloads.length} stored\n` });
    const copy = world.stores.files.get('b.rve')!;
    for (const [id, record] of file.records) {
      const { payload, ...rest } = copy.records.get(id)!;
      const { payload: wanted, ...restWanted } = record;
      expect(rest).toEqual(restWanted);
      expect(payload).toEqual(wanted);
    }
    expect((await world.rve(['export', 'b.rve'])).stdout).toBe(first.stdout);
  });

  it('refuse an export of a newer version, and bare lines without --dims', async () => {
    const world = fakeWorld();
    const newer = await world.rve(
      ['import', 'b.rve'],
      lines({ rve_export: 2, dims: 1, metric: 'l2' }),
    );
    expect(newer.code).toBe(1);
    expect(newer.stderr).toContain('newer version');
    expect((await world.rve(['import', 'b.rve'], lines({ v: [1] }))).stderr).toContain('--dims');
    expect((await world.rve(['import', 'b.rve'], '')).stderr).toContain('--dims');
  });

  it('creates an empty store from an empty export', async () => {
    const world = fakeWorld();
    world.stores.make('a.rve', 3, 'ip');
    await world.rve(['import', 'b.rve'], (await world.rve(['export', 'a.rve'])).stdout);
    expect(world.stores.files.get('b.rve')).toMatchObject({ dimensions: 3, metric: 'ip' });
  });
});

describe('query, get, forget, stats, check', () => {
  async function filled() {
    const world = fakeWorld();
    await world.rve(
      ['insert', 'a.rve', '--dims', '2', '--metric', 'l2'],
      lines(
        { v: [1, 0], source: 'p', label: 'x' },
        { v: [0, 1], source: 'q' },
        { v: [5, 5], source: 'q', payload: { a: 1 } },
      ),
    );
    return world;
  }

  it('answers with the nearest, as a table and as JSON', async () => {
    const world = await filled();
    const json = await world.rve(['query', 'a.rve', '--vector', '-1,0', '-k', '2', '--json']);
    expect(JSON.parse(json.stdout)).toEqual({
      ids: [1, 0],
      scores: [2, 4],
      latencyUs: 12,
      degraded: false,
    });
    const text = (await world.rve(['query', 'a.rve', '--vector', '[1, 0]', '-k', '1'])).stdout;
    expect(text).toMatch(/^id {2}score/);
    expect(text).toMatch(/ 0 {2}0\.00000 .* p {7}x/);
    expect((await world.rve(['query', 'a.rve', '--vector', '-', '--json'], '1 0')).code).toBe(0);
    const like = await world.rve(['query', 'a.rve', '--like', '2', '--source', 'q', '--json']);
    expect(JSON.parse(like.stdout).ids).toEqual([2, 1]);
  });

  it('refuses a vector of words, an empty one, and one of another length', async () => {
    const world = await filled();
    expect((await world.rve(['query', 'a.rve', '--vector', '1,x'])).code).toBe(2);
    expect((await world.rve(['query', 'a.rve', '--vector', '[]'])).code).toBe(2);
    expect((await world.rve(['query', 'a.rve', '--vector', '@nowhere.txt'])).stderr).toContain(
      'Cannot stat nowhere.txt: no such file or directory. Try: check the path',
    );
    const wrong = await world.rve(['query', 'a.rve', '--vector', '1,2,3', '--json']);
    expect(wrong.code).toBe(1);
    expect(JSON.parse(wrong.stdout).error.code).toBe('ERR_DIMENSIONS');
    expect((await world.rve(['query', 'a.rve', '--like', '99'])).stderr).toContain(
      'no record has id 99',
    );
  });

  it('prints records, and fails for an id that is not there', async () => {
    const world = await filled();
    const { code, stdout, stderr } = await world.rve(['get', 'a.rve', '2', '9', '--json']);
    expect(code).toBe(1);
    expect(stderr).toBe('rve: no record has id 9.\n');
    expect(JSON.parse(stdout).records).toEqual([
      { id: 2, vector: [5, 5], time: 0, source: 'q', label: null, tier: 'hot', payload: { a: 1 } },
      null,
    ]);
    expect((await world.rve(['get', 'a.rve', '2'])).stdout).toContain(
      'vector   5.00000, 5.00000\npayload  {"a":1}\n',
    );
  });

  it('forgets by id and by source, and counts what was there', async () => {
    const world = await filled();
    expect((await world.rve(['forget', 'a.rve', '0', '77'])).stdout).toBe('1 forgotten\n');
    expect(
      JSON.parse((await world.rve(['forget', 'a.rve', '--source', 'q', '--json'])).stdout),
    ).toEqual({ count: 2 });
    expect(world.stores.files.get('a.rve')!.records.size).toBe(0);
  });

  it('compresses nothing in passing, unless it is told a profile', async () => {
    const world = await filled();
    await world.rve(['forget', 'a.rve', '0']);
    await world.rve(['import', 'a.rve', '--profile', 'edge'], lines({ v: [1, 1] }));
    await world.rve(['stats', 'a.rve']);
    const passing = { profile: 'precise', recompressIntervalS: 86_400 };
    expect(world.stores.opened).toEqual([
      { dimensions: 2, metric: 'l2', ...passing },
      passing,
      { profile: 'edge' },
      { readOnly: true },
    ]);
    const { code, stderr } = await world.rve(['insert', 'a.rve', '--profile', 'egde'], '');
    expect(code).toBe(2);
    expect(stderr).toContain('Did you mean "edge"?');
  });

  it('prints the whole of stats()', async () => {
    const world = await filled();
    expect(JSON.parse((await world.rve(['stats', 'a.rve', '--json'])).stdout)).toMatchObject({
      live: 3,
      dimensions: 2,
    });
    expect((await world.rve(['stats', 'a.rve'])).stdout).toMatch(/^live +3$/m);
  });

  it('prints a table of the tiers, with their share and a bar of their heat', async () => {
    const world = await filled();
    const { stdout } = await world.rve(['stats', 'a.rve']);
    expect(stdout.slice(stdout.indexOf('tier '))).toBe(
      [
        'tier     vectors  share  bytes  a vector  heat 0..1',
        'hot            3  100 %   24 B       8.0         █',
        'warm           0    0 %    0 B         -',
        'cool           0    0 %    0 B         -',
        'cold           0    0 %    0 B         -',
        'archive        0    0 %    0 B         -',
        'file      0.500 of the bytes of its vectors as f32',
        'budget    counts a heat as 1.00 of itself; cool 5.5 bits, cold bits undecided a dimension',
        'codebook  3: trained on 8,192 vectors, leaves 1.2 % of the variance; 1 trained since open',
        'recoded   12,345 vectors, 1.5 KiB, 2 times since open',
        '',
      ].join('\n'),
    );
    expect(stdout).not.toContain('tierShare');
  });

  it('passes --recall on, and refuses it beside --ef and out of range', async () => {
    const world = await filled();
    const query = (...argv: string[]) =>
      world.rve(['query', 'a.rve', '--vector', '1,0', '--json', ...argv]);
    expect((await query('--recall', '0.95')).code).toBe(0);
    expect(world.stores.recalls).toEqual([0.95]);
    expect((await query('--recall', '0.95', '--ef', '9')).stderr).toContain(
      'either --ef or --recall',
    );
    for (const recall of ['0.4', '1', 'high']) {
      expect((await query('--recall', recall)).code, recall).toBe(2);
    }
  });

  it('reports damage with exit 3, repairs when asked, and is then fine', async () => {
    const world = await filled();
    expect(JSON.parse((await world.rve(['check', 'a.rve', '--json'])).stdout)).toEqual({
      ok: true,
      damaged: [],
      lost: 0,
      holes: 0,
      notes: [],
    });
    world.stores.files.get('a.rve')!.damaged = 'segment 3 fails its checksum';
    const damaged = await world.rve(['check', 'a.rve', '--json']);
    expect(damaged.code).toBe(3);
    expect(JSON.parse(damaged.stdout)).toMatchObject({
      ok: false,
      damaged: ['segment 3 fails its checksum'],
    });
    expect((await world.rve(['stats', 'a.rve'])).code).toBe(3);
    const repaired = await world.rve(['check', 'a.rve', '--repair']);
    expect(repaired.code).toBe(0);
    expect(repaired.stdout).toContain('Repaired.');
    expect((await world.rve(['check', 'a.rve'])).stdout).toBe('ok: every checksum holds\n');
    expect((await world.rve(['check', 'a.rve', '--deep'])).stdout).toBe(
      'ok: every checksum holds, and every graph is sound\nnote: audited\n',
    );
  });

  it('says busy, with the holder, when a store is in use and nobody listens', async () => {
    const world = await filled();
    world.stores.files.get('a.rve')!.holder = 1234;
    for (const argv of [
      ['stats', 'a.rve'],
      ['query', 'a.rve', '--vector', '1,2'],
      ['check', 'a.rve'],
      ['export', 'a.rve'],
    ]) {
      const { code, stderr } = await world.rve(argv);
      expect(code, argv[0]).toBe(1);
      expect(stderr).toContain('process 1234');
    }
  });
});
