// Writes an archive in cpio's "newc" form, which Linux takes as an initial RAM disk. Times and
// owners are 0, so that the same files give the same bytes.

const TYPE = { file: 0o100000, folder: 0o040000, link: 0o120000, device: 0o020000 };

export class Cpio {
  #parts = [];
  #bytes = 0;
  #inode = 0;

  folder(name) {
    this.#entry(name, TYPE.folder | 0o755, Buffer.alloc(0));
  }

  file(name, bytes, mode) {
    this.#entry(name, TYPE.file | mode, bytes);
  }

  link(name, to) {
    this.#entry(name, TYPE.link | 0o777, Buffer.from(to));
  }

  /** A character device. */
  device(name, major, minor) {
    this.#entry(name, TYPE.device | 0o600, Buffer.alloc(0), major, minor);
  }

  finish() {
    this.#entry('TRAILER!!!', 0, Buffer.alloc(0));
    return Buffer.concat(this.#parts);
  }

  #entry(name, mode, bytes, major = 0, minor = 0) {
    this.#inode += 1;
    const named = Buffer.from(`${name}\0`);
    const fields = [
      ...[this.#inode, mode, 0, 0, 1, 0, bytes.length],
      ...[0, 0, major, minor, named.length, 0],
    ];
    const head = fields.map((field) => field.toString(16).padStart(8, '0')).join('');
    this.#push(Buffer.from(`070701${head}`));
    this.#push(named);
    this.#pad();
    this.#push(bytes);
    this.#pad();
  }

  #push(bytes) {
    this.#parts.push(bytes);
    this.#bytes += bytes.length;
  }

  #pad() {
    this.#push(Buffer.alloc((4 - (this.#bytes % 4)) % 4));
  }
}
