#include "base/posix_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <limits>
#include <memory>

#include "base/posix_error.hpp"
#include "base/posix_lock.hpp"

namespace rve {
namespace {

// Covers the alignment that any block device asks of O_DIRECT (512 or 4,096 bytes).
constexpr uint64_t kDirectAlignment = 4096;
// Bounce buffer of one device read: large enough to stream, small enough for a board.
constexpr uint64_t kDirectBytes = 256 * 1024;

constexpr uint64_t kOffsetMax = static_cast<uint64_t>(std::numeric_limits<off_t>::max());

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

// Reads until `out` is full, the file ends (`got` tells) or an error, whose errno is returned.
int readFully(int fd, uint64_t offset, std::byte* out, uint64_t bytes, uint64_t* got) {
  *got = 0;
  while (*got < bytes) {
    const ssize_t n = pread(fd, out + *got, bytes - *got, static_cast<off_t>(offset + *got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return 0;
    *got += static_cast<uint64_t>(n);
  }
  return 0;
}

// Returns 0 or errno. A write of zero bytes would loop for ever: it counts as EIO.
int writeFully(int fd, uint64_t offset, const std::byte* in, uint64_t bytes) {
  while (bytes > 0) {
    const ssize_t n = pwrite(fd, in, bytes, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return EIO;
    in += n;
    offset += static_cast<uint64_t>(n);
    bytes -= static_cast<uint64_t>(n);
  }
  return 0;
}

// Returns 0 or errno. Requires: bytes > 0.
int allocate(int fd, int mode, uint64_t offset, uint64_t bytes) {
  while (fallocate(fd, mode, static_cast<off_t>(offset), static_cast<off_t>(bytes)) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

bool isUnsupported(int error) { return error == EOPNOTSUPP || error == ENOSYS; }

}  // namespace

PosixFile::~PosixFile() {
  if (direct_fd_ >= 0) close(direct_fd_);
  close(fd_);
}

Status PosixFile::start() {
  struct stat info = {};
  if (fstat(fd_, &info) != 0) return posixStatus(errno, "Cannot look at", path_);
  size_.store(static_cast<uint64_t>(info.st_size), std::memory_order_release);
  posix_fadvise(fd_, 0, 0, POSIX_FADV_RANDOM);  // as the view: see posix_view.cpp
  return view_.open(fd_, static_cast<uint64_t>(info.st_size), path_);
}

Status PosixFile::truncated(uint64_t offset) const {
  return Status(Code::kTruncated, "Cannot read: the file ends before byte " +
                                      std::to_string(offset) + " (" + path_ + ")");
}

Status PosixFile::read(uint64_t offset, MutableBytes out) {
  if (offset > kOffsetMax - out.size()) return truncated(offset);
  uint64_t got = 0;
  const int error = readFully(fd_, offset, out.data(), out.size(), &got);
  if (error != 0) return posixStatus(error, "Cannot read at byte " + std::to_string(offset), path_);
  return got == out.size() ? Status() : truncated(offset + out.size());
}

int PosixFile::directFd() {
  // Through /proc, and not by path: the name may have changed since the open (rename at creation).
  std::call_once(direct_once_, [this] {
    const std::string self = "/proc/self/fd/" + std::to_string(fd_);
    direct_fd_ = ::open(self.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);
  });
  return direct_fd_;
}

Status PosixFile::readDirect(int fd, uint64_t offset, MutableBytes out, bool* unsupported) {
  const uint64_t block =
      std::min(kDirectBytes, roundUp(out.size(), kDirectAlignment) + kDirectAlignment);
  const std::unique_ptr<std::byte, Free> bounce(
      static_cast<std::byte*>(std::aligned_alloc(kDirectAlignment, block)));
  if (bounce == nullptr) return posixStatus(ENOMEM, "Cannot read from the device", path_);
  for (size_t done = 0; done < out.size();) {
    const uint64_t at = offset + done;
    const uint64_t from = at & ~(kDirectAlignment - 1);
    const uint64_t wanted =
        std::min(block, roundUp(at + out.size() - done - from, kDirectAlignment));
    // One call, not readFully: after a short read at the end of the file the offset is not aligned.
    ssize_t n;
    do {
      n = pread(fd, bounce.get(), wanted, static_cast<off_t>(from));
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
      const int error = errno;
      *unsupported = error == EINVAL || error == EOPNOTSUPP;
      return posixStatus(error, "Cannot read the device at byte " + std::to_string(at), path_);
    }
    const uint64_t got = static_cast<uint64_t>(n);
    if (got <= at - from) return truncated(offset + out.size());
    const size_t useful = std::min<uint64_t>(got - (at - from), out.size() - done);
    std::memcpy(out.data() + done, bounce.get() + (at - from), useful);
    done += useful;
  }
  return {};
}

Status PosixFile::readDevice(uint64_t offset, MutableBytes out) {
  if (offset > kOffsetMax - out.size() - kDirectAlignment) return truncated(offset);
  if (const int fd = directFd(); fd >= 0) {
    bool unsupported = false;
    const Status status = readDirect(fd, offset, out, &unsupported);
    if (!unsupported) return status;
  }
  // No O_DIRECT here (tmpfs, some FUSE): at least let go of the clean pages. Whole pages only
  // count.
  const uint64_t from = offset & ~(kDirectAlignment - 1);
  const uint64_t bytes = roundUp(offset + out.size(), kDirectAlignment) - from;
  (void)posix_fadvise(fd_, static_cast<off_t>(from), static_cast<off_t>(bytes),
                      POSIX_FADV_DONTNEED);
  return read(offset, out);
}

Status PosixFile::write(uint64_t offset, Bytes in) {
  RVE_ASSERT(in.size() <= size() && offset <= size() - in.size());
  const int error = writeFully(fd_, offset, in.data(), in.size());
  if (error == 0) return {};
  return posixStatus(error, "Cannot write at byte " + std::to_string(offset), path_);
}

Status PosixFile::sync() {
  int result;
  do {  // EINTR reports no lost page (that would be EIO), so calling again hides nothing.
    result = fdatasync(fd_);
  } while (result != 0 && errno == EINTR);
  if (result != 0) return posixStatus(errno, "Cannot sync", path_);
  // On a file system that was remounted read-only by force (sysrq u) ext4 writes nothing, and still
  // reports success. One system call more, beside a sync.
  struct statvfs mount;
  if (fstatvfs(fd_, &mount) == 0 && (mount.f_flag & ST_RDONLY) != 0) {
    return posixStatus(EROFS, "Cannot sync", path_);
  }
  return Status();
}

// Where fallocate is unsupported, only written bytes are sure to have space. Returns 0 or errno.
int PosixFile::fillWithZeros(uint64_t from, uint64_t to) {
  static constexpr std::byte kZeros[64 * 1024] = {};
  for (uint64_t at = from; at < to;) {
    const uint64_t part = std::min<uint64_t>(sizeof(kZeros), to - at);
    const int error = writeFully(fd_, at, kZeros, part);
    if (error != 0) return error;
    at += part;
  }
  return 0;
}

// Lengthens the file with space behind every byte of it. Returns 0 or errno.
int PosixFile::extendTo(uint64_t from, uint64_t to) {
  const int error = allocate(fd_, 0, from, to - from);
  return isUnsupported(error) ? fillWithZeros(from, to) : error;
}

Status PosixFile::grow(uint64_t bytes) {
  const uint64_t before = size();
  if (bytes <= before) return {};
  if (bytes > kOffsetMax || !view_.fits(bytes)) {
    return Status(Code::kNoSpace, "Cannot grow to " + std::to_string(bytes) +
                                      " bytes: no addresses left for the view (" + path_ + ")");
  }
  const int error = extendTo(before, bytes);
  Status status =
      error == 0 ? view_.extend(fd_, bytes, path_)
                 : posixStatus(error, "Cannot grow to " + std::to_string(bytes) + " bytes", path_);
  if (status.ok()) {
    size_.store(bytes, std::memory_order_release);
    return {};
  }
  // A failed fallocate may have lengthened the file in part: cut back to what was, which nobody has
  // mapped or written beyond. If that fails too, the spare length is harmless.
  int cut;
  do {
    cut = ftruncate(fd_, static_cast<off_t>(before));
  } while (cut != 0 && errno == EINTR);
  return status;
}

Status PosixFile::reserve(uint64_t offset, uint64_t bytes) {
  RVE_ASSERT(bytes <= size() && offset <= size() - bytes);
  if (bytes == 0) return {};
  const int error = allocate(fd_, 0, offset, bytes);
  // A file system without fallocate has no punch() either: the space was never given back.
  if (error == 0 || isUnsupported(error)) return {};
  return posixStatus(error, "Cannot reserve space at byte " + std::to_string(offset), path_);
}

Status PosixFile::punch(uint64_t offset, uint64_t bytes) {
  RVE_ASSERT(bytes <= size() && offset <= size() - bytes);
  if (bytes == 0) return {};
  const int error = allocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, bytes);
  if (error == 0 || isUnsupported(error)) return {};
  return posixStatus(error, "Cannot give space back at byte " + std::to_string(offset), path_);
}

uint64_t PosixFile::allocatedBytes() const {
  struct stat info = {};
  if (fstat(fd_, &info) != 0) return 0;
  // st_blocks counts 512 bytes on every system.
  return static_cast<uint64_t>(info.st_blocks) * 512;
}

void PosixFile::prefetch(uint64_t offset, uint64_t bytes) {
  // Linux cuts one request off at what the device takes at once (128 KiB to a few MiB) and drops
  // the rest.
  constexpr uint64_t kPieceBytes = 128 << 10;
  for (const uint64_t end = offset + bytes; offset < end; offset += kPieceBytes) {
    const uint64_t piece = std::min(kPieceBytes, end - offset);
    posix_fadvise(fd_, static_cast<off_t>(offset), static_cast<off_t>(piece), POSIX_FADV_WILLNEED);
  }
}

void PosixFile::unlock() { unlockFile(fd_); }

}  // namespace rve
