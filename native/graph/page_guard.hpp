// Lazy checksum verification at first touch (STORAGE.md 2.6): one bit a 4 KiB page says
// "verified". The verified case costs one load and one predictable branch; the first touch of a
// page calls back.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace rve {

struct PageGuard {
  static constexpr uint32_t kPageShift = 12;

  // Bit p of the bitmap: page p of the part is verified. Null: everything is (RAM, tests).
  const std::atomic<uint64_t>* verified = nullptr;
  // Verifies pages [page, page + count), sets their bits if good, returns whether all are. Called
  // from many threads at once. A page that fails is called again at each touch: the callee
  // remembers it.
  bool (*verify)(void* context, uint64_t page, uint64_t count) = nullptr;
  // Has the device read pages that were never touched, and returns at once. Null: nobody can.
  void (*fetch)(void* context, uint64_t page, uint64_t count) = nullptr;
  void* context = nullptr;
  uint64_t offset = 0;  // of the guarded bytes inside the part

  // Whether `bytes` bytes at `at` (relative to the guarded bytes) may be read. bytes: 1..4096.
  bool ok(uint64_t at, uint64_t bytes) const {
    if (verified == nullptr) [[likely]] return true;
    const uint64_t first = (offset + at) >> kPageShift;
    const uint64_t last = (offset + at + bytes - 1) >> kPageShift;
    if (isSet(first) && isSet(last)) [[likely]] return true;
    return verify(context, first, last - first + 1);
  }

  // Before first touches of several places, which would wait for the device one by one: has it
  // read them all at the same time. Costs two loads where they are verified. bytes: 1..4096.
  void fetchAhead(uint64_t at, uint64_t bytes) const {
    if (verified == nullptr || fetch == nullptr) return;
    const uint64_t first = (offset + at) >> kPageShift;
    const uint64_t last = (offset + at + bytes - 1) >> kPageShift;
    if (isSet(first) && isSet(last)) [[likely]] return;
    fetch(context, first, last - first + 1);
  }

  // Whether all of `count` records of `record_bytes` are verified already; never calls back.
  bool allVerified(const uint32_t* rows, size_t count, uint64_t record_bytes) const {
    if (verified == nullptr) return true;
    bool all = true;
    for (size_t i = 0; i < count; ++i) {
      const uint64_t at = offset + rows[i] * record_bytes;
      all &= isSet(at >> kPageShift);
      all &= isSet((at + record_bytes - 1) >> kPageShift);
    }
    return all;
  }

 private:
  // Acquire: what the verifying thread saw good is what this thread reads.
  bool isSet(uint64_t page) const {
    return ((verified[page / 64].load(std::memory_order_acquire) >> (page % 64)) & 1) != 0;
  }
};

}  // namespace rve
