#include "extract.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <set>

#include "sha256.hpp"

namespace rve::launcher {
namespace {

constexpr size_t kBufferBytes = 256 * 1024;

bool failErrno(std::string* error, const std::string& what) {
  *error = what + ": " + std::strerror(errno);
  return false;
}

// Makes the folders above `path`, and notes them.
bool makeFolders(int folder, const std::string& path, std::set<std::string>* made) {
  for (size_t slash = 0; (slash = path.find('/', slash)) != std::string::npos; ++slash) {
    const std::string above = path.substr(0, slash);
    if (!made->insert(above).second) continue;
    if (mkdirat(folder, above.c_str(), 0700) != 0) return false;
  }
  return true;
}

bool writeAll(int fd, const char* from, size_t bytes) {
  while (bytes > 0) {
    const ssize_t wrote = write(fd, from, bytes);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return false;
    from += wrote;
    bytes -= static_cast<size_t>(wrote);
  }
  return true;
}

// Takes raw bytes and cuts them into the files of the manifest.
class Writer {
 public:
  Writer(const Payload& payload, int folder) : payload_(payload), folder_(folder) {}
  ~Writer() {
    if (fd_ >= 0) close(fd_);
  }

  bool take(const char* from, size_t bytes, std::string* error) {
    while (true) {
      if (fd_ >= 0 && left_ == 0 && !endFile(error)) return false;
      if (fd_ < 0 && next_ < payload_.files.size() && !beginFile(error)) return false;
      if (left_ == 0 && fd_ >= 0) continue;  // an empty file
      if (bytes == 0) return true;
      if (fd_ < 0) {
        *error = "the executable is damaged: more bytes than files";
        return false;
      }
      const size_t part = static_cast<size_t>(std::min<uint64_t>(bytes, left_));
      if (!writeAll(fd_, from, part)) return failErrno(error, "cannot write the cache");
      from += part;
      bytes -= part;
      left_ -= part;
    }
  }

  bool finish(std::string* error) {
    if (!take(nullptr, 0, error)) return false;
    if (fd_ >= 0 || next_ != payload_.files.size()) {
      *error = "the executable is damaged: a file is missing";
      return false;
    }
    for (const std::string& path : made_) {
      const int fd = openat(folder_, path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      const bool synced = fd >= 0 && fsync(fd) == 0;
      if (fd >= 0) close(fd);
      if (!synced) return failErrno(error, "cannot sync the cache");
    }
    return fsync(folder_) == 0 || failErrno(error, "cannot sync the cache");
  }

 private:
  bool beginFile(std::string* error) {
    const File& file = payload_.files[next_++];
    if (!makeFolders(folder_, file.path, &made_)) return failErrno(error, "cannot make a folder");
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    fd_ = openat(folder_, file.path.c_str(), flags, 0600);
    if (fd_ < 0) return failErrno(error, "cannot create " + file.path);
    left_ = file.bytes;
    return fchmod(fd_, file.mode & 0700) == 0 || failErrno(error, "cannot set a mode");
  }
  bool endFile(std::string* error) {
    const bool synced = fsync(fd_) == 0;
    const bool closed = close(fd_) == 0;
    fd_ = -1;
    return (synced && closed) || failErrno(error, "cannot sync the cache");
  }

  const Payload& payload_;
  int folder_;
  int fd_ = -1;
  uint64_t left_ = 0;
  size_t next_ = 0;
  std::set<std::string> made_;
};

struct Stream {
  ZSTD_DStream* zstd = ZSTD_createDStream();
  std::unique_ptr<char[]> in{new char[kBufferBytes]}, out{new char[kBufferBytes]};
  ~Stream() { ZSTD_freeDStream(zstd); }
};

}  // namespace

bool extract(int self, const Payload& payload, int folder, std::string* error) {
  Stream stream;
  Writer writer(payload, folder);
  Sha256 sha256;
  sha256.add(payload.manifest.data(), payload.manifest.size());
  uint64_t at = payload.stream_at;
  const uint64_t end = at + payload.stream_bytes;
  size_t hint = 1;  // 0 once a zstd frame has ended
  while (at < end) {
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(kBufferBytes, end - at));
    const ssize_t got = pread(self, stream.in.get(), wanted, static_cast<off_t>(at));
    if (got <= 0) return failErrno(error, "cannot read the executable");
    at += static_cast<uint64_t>(got);
    sha256.add(stream.in.get(), static_cast<size_t>(got));
    ZSTD_inBuffer in = {stream.in.get(), static_cast<size_t>(got), 0};
    ZSTD_outBuffer out = {stream.out.get(), kBufferBytes, 0};
    do {
      out.pos = 0;
      hint = ZSTD_decompressStream(stream.zstd, &out, &in);
      if (ZSTD_isError(hint)) {
        *error = std::string("the executable is damaged: ") + ZSTD_getErrorName(hint);
        return false;
      }
      if (!writer.take(stream.out.get(), out.pos, error)) return false;
      // A full out buffer may leave bytes inside the decoder although the input is used up.
    } while (in.pos < in.size || out.pos == out.size);
  }
  uint8_t sum[32];
  sha256.finish(sum);
  if (hint != 0 || std::memcmp(sum, payload.sha256, sizeof sum) != 0) {
    *error = "the executable is damaged: its checksum differs. Copy it again";
    return false;
  }
  return writer.finish(error);
}

}  // namespace rve::launcher
