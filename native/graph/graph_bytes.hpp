// A finished graph in memory.
#pragma once
#include <cstdlib>
#include <memory>

#include "base/bytes.hpp"

namespace rve {

struct AlignedFree {
  void operator()(std::byte* at) const { std::free(at); }
};

// 64-byte aligned, `bytes` long.
struct GraphBytes {
  std::unique_ptr<std::byte[], AlignedFree> data;
  uint64_t bytes = 0;
  Bytes view() const { return {data.get(), static_cast<size_t>(bytes)}; }

  // Not cleared; data is null where there is no memory.
  static GraphBytes allocate(uint64_t bytes) {
    GraphBytes out;
    out.data.reset(static_cast<std::byte*>(std::aligned_alloc(64, roundUp(bytes, 64))));
    out.bytes = bytes;
    return out;
  }
};

}  // namespace rve
