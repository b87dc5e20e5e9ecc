// RVE_ASSERT stays on in release: going on with a broken invariant is how acknowledged data dies.
#pragma once

namespace rve {
// Prints the place and the condition to stderr, then aborts.
[[noreturn]] void assertFailed(const char* file, int line, const char* condition);
}  // namespace rve

#define RVE_ASSERT(condition)                                                  \
  do {                                                                         \
    if (!(condition)) ::rve::assertFailed(__FILE__, __LINE__, #condition);     \
  } while (0)
