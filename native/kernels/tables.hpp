// The tables that kernels.cpp chooses from. Private to kernels/.
//
// Files compiled with extra instruction sets (_avx2, _avx512, _dotprod, _rvv) define only static
// functions and one table, and use no inline function of a shared header: the linker keeps one copy
// of each inline function, and must never keep one that an older CPU cannot run. The build checks
// it (native/build.mk).
#pragma once
#include "kernels/kernels.hpp"

namespace rve {

extern const Kernels kKernelsScalar;
extern const TrellisKernels kTrellisScalar;
#if defined(__x86_64__)
extern const Kernels kKernelsAvx2;
extern const Kernels kKernelsAvx512;
extern const TrellisKernels kTrellisAvx2;
#elif defined(__aarch64__)
extern const Kernels kKernelsNeon;
extern const Kernels kKernelsDotprod;
extern const TrellisKernels kTrellisNeon;
extern const TrellisKernels kTrellisDotprod;
#elif defined(RVE_HAS_RVV)  // set by the build where a compiler has the vector intrinsics
extern const Kernels kKernelsRvv;
extern const TrellisKernels kTrellisRvv;
#endif

}  // namespace rve
