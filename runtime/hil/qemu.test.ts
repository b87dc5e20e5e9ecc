import { describe, expect, it } from 'vitest';

import { qemuArguments } from './qemu.js';
import { parseScenario } from './scenario.js';

const scenario = (text: string) =>
  parseScenario(`name = "s"\nabout = "a"\n${text}\n[[step]]\ndo = "start"`, 's.toml');
const images = { kernel: 'K', initrd: 'I', system: 'S', firmware: null };
const files = { system: 'S', disk: null, log: null, bulk: null };
const START = { append: '', clock: undefined };

function argumentsOf(text: string, more: object = {}, start: object = {}): string {
  const options = { target: 'arm64' as const, images, scenario: scenario(text) };
  return qemuArguments(options, { ...files, ...more }, { ...START, ...start }).join(' ');
}

describe('an emulated machine', () => {
  it('has the memory, the processor and the words that its scenario says', () => {
    const argv = argumentsOf('[machine]\nmemory_mib = 64\ncpu = "max"', {}, { append: 'rve.x=1' });
    expect(argv).toContain('-cpu max -m 64M');
    expect(argv).toContain('-append console=ttyAMA0 quiet panic=-1 rve.x=1');
  });

  it('never writes to the system disk that the user named', () => {
    expect(argumentsOf('')).toContain('file=S,snapshot=on');
  });

  it('records every write of the data disk when asked to, and each entry at once', () => {
    expect(argumentsOf('', { disk: 'D' })).not.toContain('blklogwrites');
    const argv = argumentsOf('', { disk: 'D', log: 'L' });
    expect(argv).toContain('driver=blklogwrites,node-name=data,file=data-file,log=data-log');
    expect(argv).toContain('log-super-update-interval=1');
  });

  it('starts at another time when its clock is set', () => {
    expect(argumentsOf('')).not.toContain('-rtc');
    const argv = argumentsOf('', {}, { clock: '1970-01-01T00:00:00' });
    expect(argv).toContain('-rtc base=1970-01-01T00:00:00');
  });
});
