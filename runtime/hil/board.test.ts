import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { BoardMachine, type BoardOptions, type Port } from './board.js';
import { ConsoleLog } from './console_log.js';
import { fakeWorld } from './fake.fixture.js';

describe('a board', () => {
  let folder: string;
  const written: string[] = [];
  let speak: (bytes: Buffer) => void = () => undefined;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'rve-board-'));
    written.length = 0;
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const port: Port = {
    write: async (bytes) => void written.push(Buffer.from(bytes).toString()),
    listen: (take) => {
      speak = take;
      return () => undefined;
    },
    close: () => undefined,
  };

  const board = (more: Partial<BoardOptions> = {}): BoardMachine =>
    new BoardMachine({
      serial: '/dev/none',
      baud: 115_200,
      bulk: null,
      powerOn: `echo on >> ${folder}/power`,
      powerOff: `echo off >> ${folder}/power`,
      world: fakeWorld(),
      console: new ConsoleLog(),
      openPort: async () => port,
      ...more,
    });

  it('is switched by the commands given, and heard and typed at on its port', async () => {
    const machine = board();
    await machine.start();
    const heard = machine.console.wait(/login:/);
    speak(Buffer.from('Board 1\r\nlogi'));
    speak(Buffer.from('n: '));
    await heard;
    machine.type('root\n');
    await machine.cut();
    await machine.start();
    expect(written).toEqual(['root\n']);
    expect(readFileSync(join(folder, 'power'), 'utf8')).toBe('on\noff\non\n');
    await machine.close();
  });

  it('cannot be cut without a power switch, and says what to give', async () => {
    await expect(board({ powerOff: null }).cut()).rejects.toThrow('give --power-off');
  });

  it('tells what its power command said when it fails', async () => {
    const machine = board({ powerOn: 'echo no relay >&2; exit 3' });
    await expect(machine.start()).rejects.toThrow('--power-on failed (exit 3): no relay');
  });

  it('is refused on a path that is no serial port', async () => {
    const { openPort: _, ...options } = { ...optionsOf(folder), openPort: undefined };
    const machine = new BoardMachine(options);
    await expect(machine.start()).rejects.toThrow('cannot use the port');
    expect(existsSync(join(folder, 'power'))).toBe(false);
  });
});

function optionsOf(folder: string): BoardOptions {
  return {
    serial: join(folder, 'absent'),
    baud: 9600,
    bulk: null,
    powerOn: null,
    powerOff: null,
    world: fakeWorld(),
    console: new ConsoleLog(),
  };
}
