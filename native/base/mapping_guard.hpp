// Keeps a process alive when a page of a mapped file cannot be read: the file was truncated by
// somebody else, or the device failed. The page becomes zero bytes and the fault is counted;
// whoever reads the mapping looks at the count before it believes what it read (checksums tell the
// rest).
//
// One process-wide SIGBUS handler, put in at the first add() and never taken out. A fault outside
// all ranges goes to the handler that stood there before. Everything the handler touches is
// lock-free.
#pragma once
#include <cstddef>
#include <cstdint>

namespace rve {

// Files mapped at one time in one process. A store has one; tests and tools a handful.
inline constexpr int kGuardedRangesMax = 64;

class MappingGuard {
 public:
  // Guards [base, base + bytes). Returns a slot number, or -1 when all slots are taken.
  static int add(const void* base, size_t bytes);
  // Ends the guard. Call before munmap, when no thread reads the range any more.
  static void remove(int slot);
  // Faults met in the range since add(). Any thread.
  static uint64_t faults(int slot);
};

}  // namespace rve
