// The tables that kernels.cpp chooses from. Private to kernels/.
//
// Files compiled with extra instruction sets (_avx2, _avx512) define only static functions and one
// table, and use no inline function of a shared header: the linker keeps one copy of each inline
// function, and must never keep one that an older CPU cannot run.
#pragma once
#include "kernels/kernels.hpp"

namespace rve {

extern const Kernels kKernelsScalar;
#if defined(__x86_64__)
extern const Kernels kKernelsAvx2;
extern const Kernels kKernelsAvx512;
#endif

}  // namespace rve
