#include "payload.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace rve::launcher {
namespace {

constexpr char kMagic[9] = "RVEPACK1";
constexpr uint64_t kManifestBytesMax = 1 << 20;

struct Trailer {
  char magic[8];
  uint64_t manifest_bytes, stream_bytes, raw_bytes;
  uint8_t sha256[32];
};
static_assert(sizeof(Trailer) == 64);

bool readAt(int fd, void* out, size_t bytes, uint64_t at) {
  auto* to = static_cast<char*>(out);
  while (bytes > 0) {
    const ssize_t got = pread(fd, to, bytes, static_cast<off_t>(at));
    if (got <= 0) return false;
    to += got;
    at += static_cast<uint64_t>(got);
    bytes -= static_cast<size_t>(got);
  }
  return true;
}

// Nothing may be written outside the folder, whatever the manifest says.
bool safePath(std::string_view path) {
  if (path.empty() || path[0] == '/') return false;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return true;
}

bool readFileLine(const std::string& line, File* out) {
  unsigned mode = 0, crc = 0;
  unsigned long long bytes = 0;
  int end = 0;
  if (std::sscanf(line.c_str(), "file %x %x %llx %n", &mode, &crc, &bytes, &end) != 3) return false;
  *out = {mode, crc, bytes, line.substr(static_cast<size_t>(end))};
  return safePath(out->path);
}

bool readManifest(Payload* out) {
  std::string_view rest = out->manifest;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    if (end == std::string_view::npos) return false;
    const std::string line(rest.substr(0, end));
    rest.remove_prefix(end + 1);
    File file;
    if (line.rfind("exec ", 0) == 0) out->command.push_back(line.substr(5));
    else if (readFileLine(line, &file)) out->files.push_back(file);
    else return false;
  }
  return !out->command.empty() && !out->files.empty();
}

}  // namespace

bool readPayload(int fd, Payload* out, std::string* error) {
  struct stat stat;
  Trailer trailer;
  *error = "the executable is damaged or cut short: copy it again";
  if (fstat(fd, &stat) != 0) return false;
  const auto bytes = static_cast<uint64_t>(stat.st_size);
  if (bytes < sizeof trailer || !readAt(fd, &trailer, sizeof trailer, bytes - sizeof trailer)) {
    return false;
  }
  if (std::memcmp(trailer.magic, kMagic, sizeof trailer.magic) != 0) return false;
  const uint64_t before = bytes - sizeof trailer;
  if (trailer.manifest_bytes > kManifestBytesMax || trailer.stream_bytes > before ||
      trailer.manifest_bytes > before - trailer.stream_bytes) {
    return false;
  }
  out->stream_bytes = trailer.stream_bytes;
  out->stream_at = before - trailer.stream_bytes;
  std::memcpy(out->sha256, trailer.sha256, sizeof out->sha256);
  out->manifest.resize(trailer.manifest_bytes);
  if (!readAt(fd, out->manifest.data(), out->manifest.size(),
              out->stream_at - trailer.manifest_bytes)) {
    return false;
  }
  return readManifest(out);
}

std::string nameOf(const Payload& payload) {
  std::string name;
  for (int i = 0; i < 16; ++i) {
    char hex[3];
    std::snprintf(hex, sizeof hex, "%02x", payload.sha256[i]);
    name += hex;
  }
  return name;
}

}  // namespace rve::launcher
