// The identity block (FORMAT.md 3): what this file is. Written once at creation, twice in the file.
#pragma once
#include <array>

#include "storage/layout.hpp"

namespace rve {

using Uuid = std::array<uint8_t, 16>;

inline constexpr uint64_t kIdentityMagic = 0x3130454745455652ull;  // "RVEEGE01"
inline constexpr uint16_t kFormatMajor = 1;
inline constexpr uint16_t kFormatMinor = 0;
// Feature bits that this code understands; an unknown incompat bit refuses the file, an unknown
// ro_compat bit opens it read-only.
inline constexpr uint64_t kFeaturesIncompat = 0;
inline constexpr uint64_t kFeaturesRoCompat = 0;

struct Identity {
  Uuid uuid{};
  int64_t created_ms = 0;
  uint32_t page_bytes = 0;
  uint32_t chunk_bytes = 0;
  uint32_t record_bytes_max = 0;
  uint32_t dimensions = 0;
  Metric metric = Metric::kCosine;
  uint64_t feature_incompat = 0;
};

// Fills one page.
void encodeIdentity(const Identity& identity, MutableBytes page);
// kNotAStore (magic), kVersion (newer major or unknown incompat bit), kCorrupt (checksum or
// values).
Status decodeIdentity(Bytes page, Identity* out);

}  // namespace rve
