import { describe, expect, it } from 'vitest';

import { configHelp, configMarkdown, defaultConfig, nearestName, parseConfig } from './index.js';
import { LATER_KEYS, SECTION_NAMES, SECTIONS, type KeySpec } from './table.js';

function refusal(text: string): { code: string; message: string } {
  try {
    parseConfig(text, 'rve.toml');
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error(`accepted: ${text}`);
}

const specs = SECTION_NAMES.flatMap((section) =>
  Object.values(SECTIONS[section] as Record<string, KeySpec>).map((spec) => ({ section, spec })),
);

describe('rve.toml', () => {
  it('means the defaults when it is empty', () => {
    expect(parseConfig('', 'rve.toml')).toEqual(defaultConfig());
    expect(defaultConfig().memory).toMatchObject({
      metric: 'cosine',
      durability: 'group',
      hnswM: 16,
      profile: 'edge',
      originals: 'drop',
      bytesMax: 0,
      bytesRatioMax: 0,
      hotThreshold: 0.8,
      warmThreshold: 0.4,
      coolThreshold: 0.1,
      coldThreshold: 0.01,
      promotionThreshold: 1.5,
      demotionThreshold: 0.5,
      accessDecayHalflifeS: 3600,
      recompressIntervalS: 300,
      coolBits: 0,
      coldBits: 0,
      codebookSampleSize: 8192,
      codebookUpdateFreq: 10_000,
    });
  });

  it('reads every key by its name in TOML', () => {
    const text = `node = "gate-7"
[memory]
path = "/var/lib/rve/pump.rve"
embedding_dim = 128
metric = "l2"
durability = "interval"
linger_ms = 100
flush_interval_ms = 50
file_bytes_max = 1_000_000
hnsw_m = 32
hnsw_ef_construction = 200
hnsw_ef_search = 128
[mqtt]
port = 0
[serve]
self_query_per_s = 0.5
[sim]
kind = "bearing"
life_s = 60
[log]
level = "debug"`;
    const config = parseConfig(text, 'rve.toml');
    expect(config.node).toBe('gate-7');
    expect(config.memory).toMatchObject({
      path: '/var/lib/rve/pump.rve',
      dimensions: 128,
      metric: 'l2',
      durability: 'interval',
      lingerMs: 100,
      intervalMs: 50,
      fileBytesMax: 1_000_000,
      hnswM: 32,
      hnswEfConstruction: 200,
      hnswEfSearch: 128,
    });
    expect(config.mqtt.port).toBe(0);
    expect(config.serve.selfQueryPerS).toBe(0.5);
    expect(config.sim).toMatchObject({ kind: 'bearing', lifeS: 60 });
    expect(config.log.level).toBe('debug');
  });

  it('reads every key of the tiers by its name in TOML', () => {
    const text = `[memory]
profile = "balanced"
originals = "keep"
bytes_max = 500_000
bytes_ratio_max = 0.4
hot_threshold = 0.9
warm_threshold = 0.5
cool_threshold = 0.2
cold_threshold = 0.02
promotion_threshold = 2
demotion_threshold = 0.25
access_decay_halflife_s = 604800
recompress_interval_s = 60
cool_bits = 5.5
cold_bits = 3
codebook_sample_size = 4096
codebook_update_freq = 50_000`;
    expect(parseConfig(text, 'rve.toml').memory).toEqual({
      ...defaultConfig().memory,
      profile: 'balanced',
      originals: 'keep',
      bytesMax: 500_000,
      bytesRatioMax: 0.4,
      hotThreshold: 0.9,
      warmThreshold: 0.5,
      coolThreshold: 0.2,
      coldThreshold: 0.02,
      promotionThreshold: 2,
      demotionThreshold: 0.25,
      accessDecayHalflifeS: 604_800,
      recompressIntervalS: 60,
      coolBits: 5.5,
      coldBits: 3,
      codebookSampleSize: 4096,
      codebookUpdateFreq: 50_000,
    });
  });

  it('refuses an unknown key and names the nearest', () => {
    const error = refusal('[memory]\nhnsw_ef_serch = 9');
    expect(error.code).toBe('ERR_CONFIG');
    expect(error.message).toContain('unknown key "hnsw_ef_serch"');
    expect(error.message).toContain('"hnsw_ef_search"');
    expect(refusal('[memroy]\npath = "x"').message).toContain('"memory"');
    expect(refusal('[memory]\ninterval_ms = 9').message).toContain('"flush_interval_ms"');
  });

  it('says where a key belongs that stands outside its section', () => {
    expect(refusal('port = 1883').message).toContain('[mqtt]');
  });

  it('refuses each key of a later version by name, wherever it stands', () => {
    for (const key of LATER_KEYS.keys()) {
      for (const text of [`${key} = 1`, `[memory]\n${key} = 1`]) {
        const error = refusal(text);
        expect(error.code, text).toBe('ERR_NOT_AVAILABLE');
        expect(error.message).toContain(`"${key}"`);
      }
    }
    expect(refusal('[learning]\nx = 1').code).toBe('ERR_NOT_AVAILABLE');
    expect(refusal('[sim]\nkind = "robot"').code).toBe('ERR_NOT_AVAILABLE');
  });

  it('refuses every key with a value of the wrong type', () => {
    for (const { section, spec } of specs) {
      const wrong = spec.type === 'string' || spec.type === 'choice' ? '1' : '"one"';
      const error = refusal(`[${section}]\n${spec.key} = ${wrong}`);
      expect(error.code, spec.key).toBe('ERR_CONFIG');
      expect(error.message).toContain(`[${section}] ${spec.key} must be`);
    }
  });

  it('refuses every number one step outside its range', () => {
    for (const { section, spec } of specs) {
      if (spec.type !== 'integer' && spec.type !== 'number') continue;
      for (const value of [spec.min - 1, spec.max + 1]) {
        expect(refusal(`[${section}]\n${spec.key} = ${value}`).code, spec.key).toBe('ERR_CONFIG');
      }
      if (spec.type === 'integer') {
        expect(refusal(`[${section}]\n${spec.key} = 1.5`).code, spec.key).toBe('ERR_CONFIG');
      }
      expect(refusal(`[${section}]\n${spec.key} = nan`).code, spec.key).toBe('ERR_CONFIG');
    }
  });

  it('takes 0 beside a range where it leaves the choice to the engine, and nothing between', () => {
    for (const key of ['bytes_ratio_max', 'cool_bits', 'cold_bits']) {
      expect(() => parseConfig(`[memory]\n${key} = 0`, 'rve.toml')).not.toThrow();
      expect(refusal(`[memory]\n${key} = 0.01`).message).toContain('0, or a number');
    }
  });

  it('refuses thresholds that do not fall, and names both', () => {
    const error = refusal('[memory]\ncool_threshold = 0.4');
    expect(error.code).toBe('ERR_CONFIG');
    expect(error.message).toContain('cool_threshold (0.4) must be below warm_threshold (0.4)');
    const fine = 'hot_threshold = 0.3\nwarm_threshold = 0.2\ncold_threshold = 0';
    expect(parseConfig(`[memory]\n${fine}`, 'rve.toml').memory.coldThreshold).toBe(0);
  });

  it('says line and column of broken TOML', () => {
    const error = refusal('[memory]\npath = ');
    expect(error.code).toBe('ERR_CONFIG');
    expect(error.message).toMatch(/^rve\.toml, line 2, column \d+: /);
  });

  it('refuses credentials in a URL, half a pair of keys, and a section that is none', () => {
    expect(refusal('[mqtt]\nurl = "mqtt://me:secret@host"').message).toContain(
      'without credentials',
    );
    expect(refusal('[mqtt]\ntls_cert_file = "a.pem"').message).toContain('go together');
    expect(refusal('[mqtt]\nusername = "me"').code).toBe('ERR_CONFIG');
    expect(refusal('memory = 3').message).toContain('must be a section');
  });

  it('does not take a prototype name for a key', () => {
    expect(refusal('[memory]\nconstructor = 1').code).toBe('ERR_CONFIG');
    expect(refusal('__proto__ = 1').code).toBe('ERR_CONFIG');
  });

  it('refuses a file that no person wrote', () => {
    expect(refusal(`# ${'x'.repeat(300_000)}`).message).toContain('larger than');
  });
});

describe('the table of keys', () => {
  it('gives every key a reason and a default within its own range', () => {
    for (const { spec } of specs) {
      expect(spec.reason.length, spec.key).toBeGreaterThan(10);
      if (spec.type === 'integer' || spec.type === 'number') {
        if (spec.type === 'number' && spec.orZero === true && spec.default === 0) continue;
        expect(spec.default, spec.key).toBeGreaterThanOrEqual(spec.min);
        expect(spec.default, spec.key).toBeLessThanOrEqual(spec.max);
      }
      if (spec.type === 'choice') expect(spec.values, spec.key).toContain(spec.default);
      if (spec.type === 'string' && spec.pattern)
        expect(spec.default, spec.key).toMatch(spec.pattern);
    }
  });

  it('names no key both as honoured and as of a later version', () => {
    for (const { spec } of specs) expect(LATER_KEYS.has(spec.key), spec.key).toBe(false);
  });

  it('prints every key within 100 columns of text, and as Markdown', () => {
    const help = configHelp();
    for (const { spec } of specs) {
      expect(help).toContain(`  ${spec.key} = `);
      expect(configMarkdown()).toContain(`\`${spec.key}\``);
    }
    for (const line of help.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });
});

describe('nearestName', () => {
  it('finds a transposition, a missing letter and a part of a name, and nothing far away', () => {
    const known = ['query', 'insert', 'stats', 'continue-on-error'];
    expect(nearestName('qurey', known)).toBe('query');
    expect(nearestName('insrt', known)).toBe('insert');
    expect(nearestName('continue', known)).toBe('continue-on-error');
    expect(nearestName('zebra', known)).toBeNull();
    expect(nearestName('', known)).toBeNull();
    expect(nearestName('x'.repeat(1000), known)).toBeNull();
  });
});
