// One stored vector, in whatever form it stands in the file.
#pragma once
#include "engine/tier_coder.hpp"
#include "storage/put_batch.hpp"

namespace rve {

struct VectorRef {
  const std::byte* at = nullptr;     // null: damaged
  Dtype dtype = Dtype::kF32;         // of plain values
  const TierCoder* coder = nullptr;  // not null: `at` is a record of it, not plain values

  size_t bytes(uint32_t dims) const {
    return coder != nullptr ? coder->codec.recordBytes() : size_t{dims} * dtypeBytes(dtype);
  }
};

// dims floats; of a record the best reconstruction. Requires: vector.at is not null.
void decodeVector(const VectorRef& vector, uint32_t dims, float* out);

// Smaller is nearer. query: dims floats. Requires: plain values.
float plainDistance(const VectorRef& vector, const float* query, uint32_t dims, DistanceKind kind);

}  // namespace rve
