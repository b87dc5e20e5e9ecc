// Memory of megabytes that is needed for seconds. The heap of the C library keeps what is freed
// inside it, and a process that once built a graph would stay as large as it was then; these bytes
// go back to the system when they are freed.
#pragma once
#include <memory>

#include "base/bytes.hpp"

namespace rve {

struct LargeFree {
  uint64_t mapped_bytes = 0;  // 0: from the heap
  void operator()(std::byte* at) const;
};

// Zero, 64-byte aligned, `bytes` long. Costs whole pages from 64 KiB on.
struct LargeBytes {
  std::unique_ptr<std::byte[], LargeFree> data;
  uint64_t bytes = 0;
  Bytes view() const { return {data.get(), static_cast<size_t>(bytes)}; }

  // data is null where there is no memory.
  static LargeBytes allocate(uint64_t bytes);
};

// Gives back what the heap holds and nobody uses, as far as the C library can. Costs milliseconds:
// for the end of a job of seconds.
void returnFreedMemory();

}  // namespace rve
