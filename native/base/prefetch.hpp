// Asks for a cache line, really.
#pragma once

namespace rve {

// g++ 12 takes a function that does nothing but __builtin_prefetch for one without any effect, and
// drops the calls of it. An empty statement that it may not drop keeps them; it is no instruction.
inline void prefetchLine(const void* at) {
  __builtin_prefetch(at);
  asm volatile("" : : "r"(at));
}

}  // namespace rve
