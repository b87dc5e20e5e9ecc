// IEEE 754 binary16 <-> binary32, round to nearest, ties to even; identical bits on every CPU. Too
// large (|x| >= 65520) becomes Inf, too small a subnormal or zero, with the sign kept. Inf stays
// Inf. A NaN stays a NaN: sign and the top 10 payload bits are kept and the quiet bit is set (as
// F16C does). From half to float every value is exact; a signalling NaN becomes quiet. For arrays
// call kernels().halfFromFloat and floatFromHalf; these are single values.
#pragma once
#include <cstdint>

#include "kernels/half_scalar.hpp"
