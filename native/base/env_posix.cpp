// The real Disk, Clock and Rng: the only place (with posix_*.cpp beside it) that asks the system.
#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/env.hpp"
#include "base/posix_error.hpp"
#include "base/posix_file.hpp"
#include "base/posix_lock.hpp"

namespace rve {
namespace {

// A name with a NUL inside would be cut there by the system and mean another file.
Status checkPath(const std::string& path) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    return Status(Code::kArgument, "Cannot use path: it is empty or holds a NUL byte");
  }
  return {};
}

std::string folderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status notRegular(const std::string& path) {
  return Status(Code::kNotRegular, "Cannot open: not a regular file (" + path + ")");
}

int flagsOf(OpenMode mode) {
  // O_NONBLOCK: a pipe put there in bad faith must not hang the open. No effect on regular files.
  constexpr int kAlways = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  switch (mode) {
    case OpenMode::kReadOnly:
      return kAlways | O_RDONLY;
    case OpenMode::kReadWrite:
      return kAlways | O_RDWR;
    case OpenMode::kCreateExclusive:
      return kAlways | O_RDWR | O_CREAT | O_EXCL;
  }
  return kAlways;
}

class PosixDisk final : public Disk {
 public:
  Status stat(const std::string& path, DiskStat* out) override {
    *out = {};
    RVE_TRY(checkPath(path));
    struct stat info = {};
    if (lstat(path.c_str(), &info) != 0) {
      if (errno == ENOENT || errno == ENOTDIR) return {};
      return posixStatus(errno, "Cannot look at", path);
    }
    out->exists = true;
    out->regular = S_ISREG(info.st_mode);
    out->bytes = out->regular ? static_cast<uint64_t>(info.st_size) : 0;
    return {};
  }

  Status open(const std::string& path, OpenMode mode, std::unique_ptr<File>* out) override {
    out->reset();
    // Looked at before it is opened: opening a device may act (a watchdog starts to count down).
    // What is put there in between is met by O_NOFOLLOW, O_NONBLOCK and the second look below.
    DiskStat before;
    RVE_TRY(stat(path, &before));
    if (before.exists && mode == OpenMode::kCreateExclusive) {
      return posixStatus(EEXIST, "Cannot create", path);
    }
    if (before.exists && !before.regular) return notRegular(path);
    int fd;
    do {
      fd = ::open(path.c_str(), flagsOf(mode), 0600);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
      const bool creates = mode == OpenMode::kCreateExclusive;
      return posixStatus(errno, creates ? "Cannot create" : "Cannot open", path);
    }
    auto file = std::make_unique<PosixFile>(fd, path);  // Owns fd from here on.
    struct stat info = {};
    if (fstat(fd, &info) != 0) return posixStatus(errno, "Cannot look at", path);
    if (!S_ISREG(info.st_mode)) return notRegular(path);
    RVE_TRY(
        lockFile(fd, mode == OpenMode::kReadOnly ? LockKind::kShared : LockKind::kExclusive, path));
    RVE_TRY(file->start());  // After the lock: the size cannot change any more.
    *out = std::move(file);
    return {};
  }

  Status renameNoReplace(const std::string& from, const std::string& to) override {
    RVE_TRY(checkPath(from));
    RVE_TRY(checkPath(to));
    if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
    if (errno != ENOSYS && errno != EINVAL) return posixStatus(errno, "Cannot rename to", to);
    // An old kernel, or a file system without the flag. link() never replaces either; a crash
    // between the two leaves both names on one file, and the next open removes the stale temporary.
    if (link(from.c_str(), to.c_str()) != 0) return posixStatus(errno, "Cannot rename to", to);
    if (unlink(from.c_str()) != 0) return posixStatus(errno, "Cannot remove", from);
    return {};
  }

  Status remove(const std::string& path) override {
    RVE_TRY(checkPath(path));
    return unlink(path.c_str()) == 0 ? Status() : posixStatus(errno, "Cannot remove", path);
  }

  Status syncFolder(const std::string& path) override {
    RVE_TRY(checkPath(path));
    const std::string folder = folderOf(path);
    const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return posixStatus(errno, "Cannot open folder", folder);
    int error = 0;
    while (fsync(fd) != 0) {
      error = errno;
      if (error != EINTR) break;
      error = 0;
    }
    close(fd);
    // EINVAL: this file system has no sync of folders, and keeps names by other means.
    if (error == 0 || error == EINVAL) return {};
    return posixStatus(error, "Cannot sync folder", folder);
  }

  Status list(const std::string& path, const std::string& prefix,
              std::vector<std::string>* out) override {
    out->clear();
    RVE_TRY(checkPath(path));
    const std::string folder = folderOf(path);
    DIR* entries = opendir(folder.c_str());
    if (entries == nullptr) return posixStatus(errno, "Cannot list folder", folder);
    errno = 0;
    while (const dirent* entry = readdir(entries)) {
      if (std::strncmp(entry->d_name, prefix.c_str(), prefix.size()) == 0) {
        out->emplace_back(entry->d_name);
      }
      errno = 0;
    }
    const int error = errno;
    closedir(entries);
    if (error != 0) return posixStatus(error, "Cannot list folder", folder);
    std::sort(out->begin(), out->end());  // The system's order differs from run to run.
    return {};
  }
};

class PosixClock final : public Clock {
 public:
  int64_t wallMs() override {
    timespec now = {};
    clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
  }

  uint64_t monotonicNs() override {
    timespec now = {};
    RVE_ASSERT(clock_gettime(CLOCK_BOOTTIME, &now) == 0);
    return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
  }

  BootId bootId() override { return posixBootId(); }
};

class PosixRng final : public Rng {
 public:
  uint64_t next() override {
    uint64_t value = 0;
    ssize_t got;
    do {  // The kernel gives up to 256 bytes whole, or nothing.
      got = getrandom(&value, sizeof(value), 0);
    } while (got < 0 && errno == EINTR);
    RVE_ASSERT(got == static_cast<ssize_t>(sizeof(value)));
    return value;
  }
};

int hexValue(int digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return -1;
}

}  // namespace

std::unique_ptr<Disk> makePosixDisk() { return std::make_unique<PosixDisk>(); }
std::unique_ptr<Clock> makePosixClock() { return std::make_unique<PosixClock>(); }
std::unique_ptr<Rng> makePosixRng() { return std::make_unique<PosixRng>(); }

BootId posixBootId() {
  std::FILE* file = std::fopen("/proc/sys/kernel/random/boot_id", "re");
  if (file == nullptr) return {};
  BootId id;
  int digits = 0;  // 32 of them, with four hyphens between: 8-4-4-4-12.
  for (int c = std::fgetc(file); c != EOF && digits < 32; c = std::fgetc(file)) {
    const int value = hexValue(c);
    if (value < 0) continue;
    uint8_t& byte = id.bytes[digits / 2];
    byte = static_cast<uint8_t>(byte << 4 | value);
    ++digits;
  }
  std::fclose(file);
  return digits == 32 ? id : BootId{};
}

}  // namespace rve
