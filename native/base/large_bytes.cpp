#include "base/large_bytes.hpp"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace rve {
namespace {

constexpr uint64_t kPageBytes = 4096;
// The address sanitizer sees a read past the end only in its own heap.
#ifdef __SANITIZE_ADDRESS__
constexpr uint64_t kMappedMin = ~uint64_t{0};
#else
constexpr uint64_t kMappedMin = 64 << 10;
#endif

}  // namespace

void LargeFree::operator()(std::byte* at) const {
  if (mapped_bytes > 0) {
    munmap(at, mapped_bytes);
  } else {
    std::free(at);
  }
}

LargeBytes LargeBytes::allocate(uint64_t bytes) {
  LargeBytes out;
  out.bytes = bytes;
  if (bytes < kMappedMin) {
    const size_t rounded = roundUp(bytes + 1, 64);
    out.data.reset(static_cast<std::byte*>(std::aligned_alloc(64, rounded)));
    if (out.data != nullptr) std::memset(out.data.get(), 0, rounded);
    return out;
  }
  const uint64_t rounded = roundUp(bytes, kPageBytes);
  void* at =
      mmap(nullptr, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at != MAP_FAILED) out.data = {static_cast<std::byte*>(at), LargeFree{rounded}};
  return out;
}

void returnFreedMemory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace rve
