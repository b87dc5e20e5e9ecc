// What every segment of a memory shares.
#pragma once
#include "codecs/rotation.hpp"
#include "engine/codebook_shelf.hpp"
#include "kernels/distance_kind.hpp"
#include "storage/identity.hpp"
#include "storage/layout.hpp"

namespace rve {

struct SegmentContext {
  File* file = nullptr;
  const std::byte* view = nullptr;
  Layout layout;
  Uuid uuid{};
  uint32_t dims = 0;
  DistanceKind kind = DistanceKind::kCosine;
  const Rotation* rotation = nullptr;
  CodebookShelf* shelf = nullptr;

  // Of the rotations: the store's own, so that files differ.
  uint64_t seed() const { return load<uint64_t>(bytesOf(uuid.data(), 16), 0); }
};

}  // namespace rve
