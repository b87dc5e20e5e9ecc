// Run headers (FORMAT.md 5): the first page of every run of chunks says what the run is and where
// it belongs.
#pragma once
#include "storage/identity.hpp"

namespace rve {

inline constexpr uint32_t kRunMagic = 0x4E555256;  // "VRUN"
inline constexpr size_t kRunHeaderBytes = 64;

enum class RunKind : uint8_t { kLog = 1, kParts = 2, kManifest = 3 };

struct RunHeader {
  RunKind kind = RunKind::kLog;
  Run own;
  Run next;               // log: where the log goes on, reserved when this run was opened
  uint64_t sequence = 0;  // log: 1, 2, 3 ...; parts: segment id; manifest: generation
  uint32_t epoch = 0;
  uint64_t first_lsn = 0; // log only
};

// Fills one page (zero behind the header).
void encodeRunHeader(const RunHeader& header, const Uuid& uuid, MutableBytes page);
// kCorrupt unless magic, checksum, uuid and own chunk number hold.
Status decodeRunHeader(Bytes page, const Uuid& uuid, uint32_t own_chunk, RunHeader* out);

}  // namespace rve
