// Where things stand in the file (FORMAT.md 1). All arithmetic on file positions goes through here.
#pragma once
#include "rve/engine.hpp"

namespace rve {

// The first eight chunk-sized places hold identity and slots, far enough apart that one flash
// program unit does not hold a thing and its copy. Chunk numbers start at 1, behind them.
inline constexpr uint32_t kFixedPlaces = 8;

inline uint64_t identityOffset(const Layout& layout, uint32_t copy) {
  return copy == 0 ? 0 : 5ull * layout.chunk_bytes;
}

// Slot A (which 0) and B (which 1), each with a copy.
inline uint64_t slotOffset(const Layout& layout, uint32_t which, uint32_t copy) {
  return (1ull + which * 2 + copy) * layout.chunk_bytes;
}

inline uint64_t chunkOffset(const Layout& layout, uint32_t chunk) {
  return (uint64_t{chunk} - 1 + kFixedPlaces) * layout.chunk_bytes;
}

inline uint64_t fileBytesOf(const Layout& layout, uint32_t chunk_count) {
  return (uint64_t{chunk_count} + kFixedPlaces) * layout.chunk_bytes;
}

// Chunks that lie wholly inside a file of `bytes`.
inline uint32_t chunkCountOf(const Layout& layout, uint64_t bytes) {
  const uint64_t places = bytes / layout.chunk_bytes;
  if (places < kFixedPlaces) return 0;
  const uint64_t count = places - kFixedPlaces;
  return count > 0xFFFFFFF0u ? 0xFFFFFFF0u : static_cast<uint32_t>(count);
}

// A run of chunks: the unit in which the log, manifests and parts take space.
struct Run {
  uint32_t first_chunk = 0;  // 0: none
  uint32_t chunks = 0;
  bool operator==(const Run&) const = default;
};

inline uint64_t runOffset(const Layout& layout, const Run& run) {
  return chunkOffset(layout, run.first_chunk);
}
inline uint64_t runBytes(const Layout& layout, const Run& run) {
  return uint64_t{run.chunks} * layout.chunk_bytes;
}

// True if the run lies inside a file of `chunk_count` chunks. Overflow-safe: the numbers come from
// disk.
inline bool runIsInside(const Run& run, uint32_t chunk_count) {
  return run.first_chunk >= 1 && run.chunks >= 1 && run.first_chunk <= chunk_count &&
         run.chunks <= chunk_count - run.first_chunk + 1;
}

// The released layout, and the tiny ones that the crash enumerator passes explicitly.
bool layoutIsSane(const Layout& layout);

}  // namespace rve
