// The trellis kernels with SDOT; what has no 8-bit product in it is taken from the NEON ones.
#if defined(__aarch64__)
#include "kernels/neon_trellis.hpp"
#include "kernels/tables.hpp"

namespace rve {
namespace {

RVE_INLINE int32x4_t addProducts(int32x4_t sum, int8x16_t values, int8x16_t query) {
  return vdotq_s32(sum, values, query);
}

// By call, not by copy: a constant initialiser cannot read another table.
void floatDots(const TrellisScan& scan, const float* query, const std::byte* const* codes,
               size_t count, float* out) {
  kTrellisNeon.dotF32(scan, query, codes, count, out);
}
void curveDots(const TrellisCurve& curve, const float* query, const std::byte* const* codes,
               size_t count, float* out) {
  kTrellisNeon.curveF32(curve, query, codes, count, out);
}

}  // namespace

extern constinit const TrellisKernels kTrellisDotprod = {
    .dotI8 = integerDotsBy<addProducts>,
    .dotF32 = floatDots,
    .curveF32 = curveDots,
};

}  // namespace rve
#endif
