// The hardware kernels of crc32c, each in a file of its own with its own compiler flags, and the
// three-stream loop that they share.
#pragma once
#include <array>

#include "base/bytes.hpp"

namespace rve {

inline constexpr uint32_t kCrc32cPolynomial = 0x82f63b78;  // 0x1EDC6F41, bit-reversed.

// Takes and gives the raw register: no initial or final inversion.
using Crc32cKernel = uint32_t (*)(uint32_t crc, const std::byte* at, size_t bytes);

uint32_t crc32cSse42(uint32_t crc, const std::byte* at, size_t bytes);
uint32_t crc32cArm(uint32_t crc, const std::byte* at, size_t bytes);

// Advances a register over 2^kLog2ZeroBytes zero bytes with four table lookups. The map is linear
// over
// GF(2): as a 32 x 32 bit matrix it is squared until it spans the bytes, then tabulated for each
// byte of the register, all at compile time.
template <unsigned kLog2ZeroBytes>
class Crc32cShift {
 public:
  constexpr Crc32cShift() : table_{} {
    Matrix matrix{};  // Over one zero bit; column i is the image of bit i.
    for (unsigned i = 0; i < 32; ++i) matrix[i] = i == 0 ? kCrc32cPolynomial : 1u << (i - 1);
    for (unsigned doubling = 0; doubling < kLog2ZeroBytes + 3; ++doubling) {
      Matrix squared{};
      for (unsigned i = 0; i < 32; ++i) squared[i] = times(matrix, matrix[i]);
      matrix = squared;
    }
    for (unsigned byte = 0; byte < 4; ++byte) {
      for (uint32_t value = 0; value < 256; ++value) {
        table_[byte][value] = times(matrix, value << (8 * byte));
      }
    }
  }

  constexpr uint32_t operator()(uint32_t crc) const {
    return table_[0][crc & 0xff] ^ table_[1][crc >> 8 & 0xff] ^ table_[2][crc >> 16 & 0xff] ^
           table_[3][crc >> 24];
  }

 private:
  using Matrix = std::array<uint32_t, 32>;

  static constexpr uint32_t times(const Matrix& matrix, uint32_t vector) {
    uint32_t sum = 0;
    for (unsigned i = 0; vector != 0; ++i, vector >>= 1) sum ^= (vector & 1) != 0 ? matrix[i] : 0;
    return sum;
  }

  std::array<std::array<uint32_t, 256>, 4> table_;
};

// The crc instruction has a latency of 3 cycles and a throughput of 1: three independent streams
// keep it busy. 256 words each: long enough to hide the joining, short enough to serve a 6 KiB row.
// `Step` is the instruction: uint32_t step(uint32_t crc, uint64_t word).
inline constexpr unsigned kCrc32cLog2StreamBytes = 11;
inline constexpr size_t kCrc32cStreamBytes = size_t{1} << kCrc32cLog2StreamBytes;
inline constexpr Crc32cShift<kCrc32cLog2StreamBytes> kCrc32cShift;

template <typename Step>
uint32_t crc32cThreeStreams(uint32_t crc, const std::byte*& at, size_t& bytes, Step step) {
  while (bytes >= 3 * kCrc32cStreamBytes) {
    uint32_t second = 0;
    uint32_t third = 0;
    for (size_t i = 0; i < kCrc32cStreamBytes; i += 8) {
      uint64_t word[3];
      std::memcpy(&word[0], at + i, 8);
      std::memcpy(&word[1], at + kCrc32cStreamBytes + i, 8);
      std::memcpy(&word[2], at + 2 * kCrc32cStreamBytes + i, 8);
      crc = step(crc, word[0]);
      second = step(second, word[1]);
      third = step(third, word[2]);
    }
    crc = kCrc32cShift(kCrc32cShift(crc) ^ second) ^ third;
    at += 3 * kCrc32cStreamBytes;
    bytes -= 3 * kCrc32cStreamBytes;
  }
  return crc;
}

}  // namespace rve
