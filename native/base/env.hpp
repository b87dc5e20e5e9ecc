// The only seam to the world: Disk, Clock and Rng. env_posix.cpp makes the real ones; tests make
// simulated ones, so that every run can be replayed from its seed and every crash state can be
// enumerated.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/status.hpp"

namespace rve {

// Bytes of a file.
struct FileRange {
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

// One open regular file. One writer; `read` and the view may be used from any thread.
class File {
 public:
  virtual ~File() = default;
  // Fills `out` from `offset`. kTruncated if the file ends before; kIo on a device fault.
  virtual Status read(uint64_t offset, MutableBytes out) = 0;
  // As read, but from the device and not from the page cache (O_DIRECT, else cache advice dropped
  // first): after a failed sync the cache may hold bytes that never reached the device
  // (RELIABILITY.md, fsync).
  virtual Status readDevice(uint64_t offset, MutableBytes out) = 0;
  // Writes all of `in`. Not durable before sync() returns ok. Never extends the file: grow() first.
  virtual Status write(uint64_t offset, Bytes in) = 0;
  // fdatasync. After any failure the caller must not write again (rule R9).
  virtual Status sync() = 0;
  // Extends the file to `bytes`, with space reserved (fallocate), so that a full disk shows here
  // and not later.
  virtual Status grow(uint64_t bytes) = 0;
  // Makes sure that a range inside the file has space on the device again after punch()
  // (fallocate).
  virtual Status reserve(uint64_t offset, uint64_t bytes) = 0;
  // Gives a range's space back as a hole; reads of it return zero. Best effort: ok where
  // unsupported.
  virtual Status punch(uint64_t offset, uint64_t bytes) = 0;
  // Hint: the range will be read soon. Starts reading it ahead, in large pieces, and returns at
  // once.
  virtual void prefetch(uint64_t offset, uint64_t bytes) {
    static_cast<void>(offset);
    static_cast<void>(bytes);
  }
  virtual uint64_t size() const = 0;
  // Bytes that the file occupies on the device (holes do not count).
  virtual uint64_t allocatedBytes() const = 0;
  // Read-only view of [0, size()), valid until the File is destroyed; the base address never moves
  // and later grow() calls extend it, up to `view_bytes_max` of open. A fault inside it (file
  // truncated by somebody, device error) is turned into zero bytes and counted in viewFaults().
  virtual const std::byte* view() const = 0;
  virtual uint64_t viewFaults() const = 0;
  // Gives the lock up before the File is destroyed: reads and the view go on, writes must not.
  virtual void unlock() = 0;
};

enum class OpenMode {
  kReadOnly,         // shared lock; several readers
  kReadWrite,        // exclusive lock
  kCreateExclusive,  // exclusive lock; fails with kBusy if the path exists
};

struct DiskStat {
  bool exists = false;
  bool regular = false;  // false for links, folders, pipes, devices (links are not followed)
  uint64_t bytes = 0;
};

class Disk {
 public:
  virtual ~Disk() = default;
  virtual Status stat(const std::string& path, DiskStat* out) = 0;
  // Opens without following links, and locks (OFD). kBusy names the holder's pid where it can be
  // seen.
  virtual Status open(const std::string& path, OpenMode mode, std::unique_ptr<File>* out) = 0;
  // Atomic rename that never replaces: kBusy if `to` exists.
  virtual Status renameNoReplace(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& path) = 0;
  // fsync of the folder that holds `path`, so that a new name survives power loss.
  virtual Status syncFolder(const std::string& path) = 0;
  // Names (without folder) in the folder of `path` that start with `prefix`.
  virtual Status list(const std::string& path, const std::string& prefix,
                      std::vector<std::string>* out) = 0;
};

// 16 bytes that change at each boot of the machine (zero where unknown).
struct BootId {
  uint8_t bytes[16] = {};
};

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t wallMs() = 0;        // ms since 1970; may step
  virtual uint64_t monotonicNs() = 0;  // CLOCK_BOOTTIME; never steps back while the machine runs
  virtual BootId bootId() { return {}; }  // which boot monotonicNs() counts from
};

class Rng {
 public:
  virtual ~Rng() = default;
  virtual uint64_t next() = 0;  // uniform u64
};

// The real ones. posixRng draws from the kernel (getrandom).
std::unique_ptr<Disk> makePosixDisk();
std::unique_ptr<Clock> makePosixClock();
std::unique_ptr<Rng> makePosixRng();
BootId posixBootId();

}  // namespace rve
