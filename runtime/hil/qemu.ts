// A machine under QEMU. SIGKILL of the emulator is its power cut: what the guest had not written to
// its disk is gone. What it had written without a flush survives in the host's page cache, as it
// would not on a device: that is what the block log and its replay are for.

import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:fs';
import { chmod, copyFile, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { dirname, join } from 'node:path';

import { ConsoleLog } from './console_log.js';
import type { BlockLogFiles, BulkChannel, Machine, StartOptions } from './machine.js';
import type { Need, Scenario } from './scenario.js';
import { missingTool, runTool, toolEnvironment } from './tool.js';
import { StepFailure, type HilWorld } from './world.js';

export type Target = 'arm64' | 'riscv64';
export const TARGETS: readonly Target[] = ['arm64', 'riscv64'];

interface TargetSettings {
  readonly program: string;
  readonly cpu: string;
  readonly console: string;
}

const SETTINGS: Readonly<Record<Target, TargetSettings>> = {
  // Cortex-A53: ARMv8.0-A without LSE, the least that a board of this class has.
  arm64: { program: 'qemu-system-aarch64', cpu: 'cortex-a53', console: 'ttyAMA0' },
  riscv64: { program: 'qemu-system-riscv64', cpu: 'rv64', console: 'ttyS0' },
};

/** Files that the machine starts from. */
export interface Images {
  readonly kernel: string;
  readonly initrd: string | null;
  /** The system's disk, first in the machine. Never changed: writes go to a scratch copy. */
  readonly system: string | null;
  readonly firmware: string | null;
}

export interface VmOptions {
  readonly target: Target;
  readonly images: Images;
  readonly scenario: Pick<Scenario, 'machine' | 'disk'>;
  /** For disks, logs and sockets of this run; its path must be short (sockets: 107 bytes). */
  readonly folder: string;
  readonly world: HilWorld;
  readonly console: ConsoleLog;
}

interface Files {
  readonly system: string | null;
  readonly disk: string | null;
  readonly log: string | null;
  readonly bulk: string | null;
}

/** The arguments of one start. Pure, so that a test can read them. */
export function qemuArguments(
  options: Pick<VmOptions, 'target' | 'images' | 'scenario'>,
  files: Files,
  start: StartOptions,
): string[] {
  const { target, images, scenario } = options;
  const { machine } = scenario;
  const settings = SETTINGS[target];
  const words = [
    `console=${settings.console} quiet panic=-1`,
    machine.append,
    start.append,
  ].filter((part) => part !== '');
  return [
    ...['-M', 'virt', '-cpu', machine.cpu ?? settings.cpu],
    ...['-m', `${machine.memory_mib}M`, '-smp', `${machine.cpus}`],
    ...(images.firmware === null ? [] : ['-bios', images.firmware]),
    ...['-kernel', images.kernel],
    ...(images.initrd === null ? [] : ['-initrd', images.initrd]),
    ...['-append', words.join(' ')],
    ...['-display', 'none', '-nodefaults', '-no-reboot', '-monitor', 'none', '-serial', 'stdio'],
    ...(start.clock === undefined ? [] : ['-rtc', `base=${start.clock}`]),
    ...['-netdev', 'user,id=net', '-device', 'virtio-net-pci,netdev=net,romfile='],
    ...systemDisk(files.system, machine.keep_system),
    ...dataDisk(files),
    ...(files.bulk === null
      ? []
      : [
          ...['-device', 'virtio-serial-pci'],
          ...['-chardev', `socket,id=bulk,path=${files.bulk},server=on,wait=off`],
          ...['-device', 'virtserialport,chardev=bulk,name=bulk'],
        ]),
  ];
}

function systemDisk(file: string | null, keep: boolean): string[] {
  if (file === null) return [];
  const drive = `if=none,id=system,format=raw,file=${file}${keep ? '' : ',snapshot=on'}`;
  return ['-drive', drive, '-device', 'virtio-blk-pci,drive=system,serial=system'];
}

function dataDisk({ disk, log }: Files): string[] {
  if (disk === null) return [];
  const device = ['-device', 'virtio-blk-pci,drive=data,serial=data'];
  const raw = `driver=raw,file.driver=file,file.filename=${disk}`;
  if (log === null) return ['-blockdev', `${raw},node-name=data`, ...device];
  return [
    ...['-blockdev', `${raw},node-name=data-file`],
    ...['-blockdev', `driver=file,node-name=data-log,filename=${log}`],
    '-blockdev',
    // The superblock after every entry: it says what had been logged at an acknowledgement.
    'driver=blklogwrites,node-name=data,file=data-file,log=data-log,' +
      'log-sector-size=512,log-super-update-interval=1',
    ...device,
  ];
}

/** QEMU opens its socket before the guest runs, within milliseconds. */
const CONNECT_TRIES = 250;
const CONNECT_WAIT_MS = 20;

export class QemuMachine implements Machine {
  readonly console: ConsoleLog;
  readonly offers: ReadonlySet<Need>;
  readonly diskFile: string | null;
  readonly blockLog: BlockLogFiles | null;
  readonly #options: VmOptions;
  readonly #files: Files;
  #child: ChildProcess | null = null;
  #exit: Promise<void> = Promise.resolve();
  #bulk: SocketChannel | null = null;

  private constructor(options: VmOptions, files: Files) {
    this.#options = options;
    this.#files = files;
    this.console = options.console;
    this.diskFile = files.disk;
    const base = join(options.folder, 'data-base.img');
    this.blockLog = files.log === null ? null : { log: files.log, base };
    this.offers = new Set<Need>(['vm', 'bulk', 'disk', 'block_log']);
  }

  /** Makes the disks of this run. @throws StepFailure when a file or a tool is absent. */
  static async create(options: VmOptions): Promise<QemuMachine> {
    const { images, scenario, folder } = options;
    for (const [what, path] of Object.entries(images) as [string, string | null][]) {
      if (path === null || (await stat(path).catch(() => null)) !== null) continue;
      throw new StepFailure(
        `the ${what} image ${path} is not there. Build it with make qemu-images TARGET=` +
          `${options.target}, or name your own with --kernel, --initrd, --disk, --firmware.`,
      );
    }
    const files: Files = {
      system: images.system,
      disk: scenario.disk === undefined ? null : join(folder, 'data.img'),
      log: scenario.disk?.block_log === true ? join(folder, 'data.log') : null,
      bulk: scenario.machine.bulk ? join(folder, 'bulk.sock') : null,
    };
    if (files.disk !== null && scenario.disk !== undefined) {
      await makeDisk(files.disk, scenario.disk, folder);
    }
    if (images.system === null || !scenario.machine.keep_system) {
      return new QemuMachine(options, files);
    }
    const copy = join(folder, 'system.img');
    await copyFile(images.system, copy, constants.COPYFILE_FICLONE);
    return new QemuMachine(options, { ...files, system: copy });
  }

  get bulk(): BulkChannel | null {
    return this.#bulk;
  }

  async start(start: StartOptions): Promise<void> {
    if (this.#child !== null) throw new StepFailure('the machine is already on');
    const { disk, bulk } = this.#files;
    if (this.blockLog !== null && disk !== null) {
      await copyFile(disk, this.blockLog.base);
      await writeFile(this.blockLog.log, '');
    }
    this.console.forget();
    this.#spawn(qemuArguments(this.#options, this.#files, start));
    if (bulk !== null) this.#bulk = new SocketChannel(await this.#connect(bulk));
  }

  type(text: string): void {
    this.#child?.stdin?.write(text);
  }

  async cut(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.#exit;
  }

  async ended(): Promise<void> {
    await this.#exit;
  }

  async close(): Promise<void> {
    await this.cut();
    if (this.#files.bulk !== null) await rm(this.#files.bulk, { force: true });
  }

  #spawn(argv: string[]): void {
    const { program } = SETTINGS[this.#options.target];
    const env = { ...toolEnvironment(), TMPDIR: this.#options.folder };
    const child = spawn(program, argv, { stdio: ['pipe', 'pipe', 'pipe'], env });
    this.#child = child;
    // A program that ends by itself, or is ended, must not leave an emulator behind.
    const reap = (): void => void child.kill('SIGKILL');
    process.once('exit', reap);
    child.stdin.on('error', () => undefined);
    child.stdout.on('data', (piece: Buffer) => this.console.push(piece));
    child.stderr.on('data', (piece: Buffer) => this.console.push(piece));
    this.#exit = new Promise((resolve) => {
      const done = (why: string): void => {
        process.removeListener('exit', reap);
        this.#child = null;
        this.#bulk?.close();
        this.#bulk = null;
        this.console.end(why);
        resolve();
      };
      child.once('error', (error: NodeJS.ErrnoException) => {
        done(error.code === 'ENOENT' ? missingTool(program).message : error.message);
      });
      child.once('close', (code, signal) => {
        done(`the machine is off (${signal ?? `exit ${code}`})`);
      });
    });
  }

  async #connect(path: string): Promise<Socket> {
    for (let tries = 1; ; tries++) {
      const socket = connect(path);
      const error = await new Promise<Error | null>((resolve) => {
        socket.once('connect', () => resolve(null));
        socket.once('error', resolve);
      });
      if (error === null) return socket;
      if (tries === CONNECT_TRIES || this.#child === null) {
        throw new StepFailure(`the bulk channel does not open: ${error.message}`);
      }
      await this.#options.world.sleep(CONNECT_WAIT_MS);
    }
  }
}

async function makeDisk(
  path: string,
  { mib, holds, store }: NonNullable<Scenario['disk']>,
  folder: string,
): Promise<void> {
  await rm(path, { force: true });
  const root = join(folder, 'data-root');
  const inside = join(root, store);
  await mkdir(holds === '' ? root : dirname(inside), { recursive: true });
  if (holds !== '') {
    await copyFile(holds, inside, constants.COPYFILE_FICLONE).catch((error: Error) => {
      throw new StepFailure(`the store of [disk] holds cannot be read: ${error.message}`);
    });
    // Only its owner may read a store, and on the machine that is root.
    await chmod(inside, 0o600);
  }
  const words = ['-q', '-t', 'ext4', '-L', 'data', '-E', 'root_owner=0:0', '-d', root];
  const made = await runTool('mke2fs', [...words, path, `${mib}M`]);
  await rm(root, { recursive: true, force: true });
  if (made.code !== 0) throw new StepFailure(`mke2fs ${path}: ${made.stderr.trim()}`);
}

/** A stream as a channel of bytes. */
export class SocketChannel implements BulkChannel {
  readonly #socket: Pick<Socket, 'write' | 'on' | 'removeListener' | 'destroy'>;

  constructor(socket: Pick<Socket, 'write' | 'on' | 'removeListener' | 'destroy'>) {
    this.#socket = socket;
    socket.on('error', () => undefined);
  }

  async write(bytes: Uint8Array): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#socket.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  }

  listen(take: (bytes: Buffer) => void): () => void {
    this.#socket.on('data', take);
    return () => void this.#socket.removeListener('data', take);
  }

  close(): void {
    this.#socket.destroy();
  }
}
