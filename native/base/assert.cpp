#include "base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace rve {

void assertFailed(const char* file, int line, const char* condition) {
  std::fprintf(stderr, "ruvector-edge: broken invariant at %s:%d: %s\n", file, line, condition);
  std::fflush(stderr);
  std::abort();
}

}  // namespace rve
