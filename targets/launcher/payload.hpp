// What stands behind the launcher in its own file:
//
//   launcher (ELF) · manifest (text) · zstd stream of all files, one after the other · trailer
//
// Manifest, a line each, in this order: `exec WORD` the command that is started, where %D is the
// folder of the extracted files and %0 the path of the executable; then
// `file MODE CRC32C BYTES PATH`, numbers in hexadecimal. Trailer, 64 bytes, little-endian:
// magic[8], manifest bytes u64, stream bytes u64, raw bytes u64, SHA-256 of manifest and stream.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rve::launcher {

struct File {
  uint32_t mode;
  uint32_t crc32c;
  uint64_t bytes;
  std::string path;  // below the folder; no "..", not absolute
};

struct Payload {
  std::vector<std::string> command;
  std::vector<File> files;
  uint64_t stream_at = 0, stream_bytes = 0;
  uint8_t sha256[32];
  std::string manifest;
};

// Reads trailer and manifest of the open file. False: `*error` says why.
bool readPayload(int fd, Payload* out, std::string* error);

// Hexadecimal of the first 16 bytes of the checksum: the name of the folder.
std::string nameOf(const Payload& payload);

}  // namespace rve::launcher
