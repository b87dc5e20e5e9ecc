// Plays scenarios/board.toml as on a real board: its console and its bulk channel are terminals of
// this host, and its power switch two commands. Behind them stands an emulated machine.
//
//   node targets/qemu/tty_board.mjs TARGET SYSTEM_DIR     TARGET: arm64 or riscv64
//
// What `rve hil` says goes to stderr, what the console said to SYSTEM_DIR/board.log. Closes with
// `N passed, N failed`; exit 1 if one failed.
import { execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const DISK_MIB = 64;
const { qemuArguments } = await import(
  new URL('../../build/host/js/runtime/hil/qemu.js', import.meta.url).href
);

/** Two terminals that are one another's other end: NAME-here and NAME-there. */
async function line(folder, name) {
  const ends = ['here', 'there'].map((end) => join(folder, `${name}-${end}`));
  const words = ends.map((path) => `PTY,link=${path},raw,echo=0`);
  const socat = spawn('socat', ['-d', '-d', ...words], { stdio: ['ignore', 'ignore', 'pipe'] });
  await new Promise((resolve, reject) => {
    let said = '';
    socat.once('error', reject);
    socat.once('exit', () => reject(new Error(`socat ended: ${said}`)));
    socat.stderr.on('data', (part) => {
      said += part;
      if (said.includes('starting data transfer loop')) resolve();
    });
  });
  // An end that nobody has open would end the line at a power cut.
  const held = ends.map((path) => openSync(path, 'r+'));
  return { here: ends[0], there: ends[1], end: () => (held.forEach(closeSync), socat.kill()) };
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const quoted = (words) =>
  words.map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(' ');

/** The shell commands that switch the machine on and off. */
function powerSwitch(target, system, folder, port) {
  const disk = join(folder, 'data.img');
  execFileSync('mke2fs', ['-q', '-t', 'ext4', '-E', 'root_owner=0:0', disk, `${DISK_MIB}M`]);
  const append = `rve.broker=mqtt://10.0.2.2:${port}`;
  const machine = { memory_mib: 256, cpus: 1, append, bulk: true, keep_system: false };
  const inSystem = (name) => join(system, name);
  const images = { kernel: inSystem('kernel'), initrd: inSystem('initrd.gz'), firmware: null };
  const files = { system: inSystem('system.img'), disk, log: null, bulk: null };
  const words = qemuArguments({ target, images, scenario: { machine } }, files, { append: '' });
  words[words.indexOf('stdio')] = 'chardev:console';
  for (const name of ['console', 'bulk'])
    words.push('-chardev', `serial,id=${name},path=${join(folder, `${name}-there`)}`);
  words.push('-device', 'virtio-serial-pci', '-device', 'virtserialport,chardev=bulk,name=bulk');
  const program = { arm64: 'qemu-system-aarch64', riscv64: 'qemu-system-riscv64' }[target];
  const pid = quoted([join(folder, 'pid')]);
  const log = quoted([join(folder, 'qemu.log')]);
  const start = `TMPDIR=${quoted([folder])} ${quoted([program, ...words])}`;
  return {
    on: `${start} </dev/null >${log} 2>&1 & echo $! >${pid}`,
    off: `kill -9 $(cat ${pid})`,
    log: join(folder, 'qemu.log'),
  };
}

/** Exit code and stdout; stderr is this program's. */
function rve(words) {
  return new Promise((resolve, reject) => {
    const child = spawn('build/host/rve', words, { stdio: ['ignore', 'pipe', 'inherit'] });
    const parts = [];
    child.stdout.on('data', (part) => parts.push(part));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout: Buffer.concat(parts).toString('utf8') }));
  });
}

const [target, system] = process.argv.slice(2);
if (target !== 'arm64' && target !== 'riscv64') throw new Error('TARGET is arm64 or riscv64');
const folder = mkdtempSync(join(tmpdir(), 'rve-board-'));
const lines = [];
let off = null;
try {
  for (const name of ['console', 'bulk']) lines.push(await line(folder, name));
  const port = await freePort();
  const power = powerSwitch(target, system, folder, port);
  off = power.off;
  const { code, stdout } = await rve([
    ...['hil', 'targets/qemu/scenarios/board.toml', '--json', '--set', `port=${port}`],
    ...['--serial', lines[0].here, '--bulk', lines[1].here],
    ...['--power-on', power.on, '--power-off', power.off, '--console', system],
  ]);
  // None, if it was never switched on.
  const said = existsSync(power.log) ? readFileSync(power.log, 'utf8') : '';
  if (code !== 0 && said !== '') console.error(`qemu: ${said}`);
  writeFileSync(join(system, 'board.json'), stdout);
  const { passed = 0, failed = 1 } = JSON.parse(stdout);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = code;
} finally {
  if (off !== null) spawn('sh', ['-c', off], { stdio: 'ignore' }).once('close', finish);
  else finish();
}

function finish() {
  for (const one of lines) one.end();
  rmSync(folder, { recursive: true, force: true });
}
