// SHA-256 (FIPS 180-4).
#pragma once
#include <cstddef>
#include <cstdint>

namespace rve::launcher {

class Sha256 {
 public:
  void add(const void* data, size_t bytes);
  void finish(uint8_t out[32]);

 private:
  void block(const uint8_t* bytes);

  // 5.3.3: the first 32 bits of the fractional parts of the square roots of 8 primes.
  uint32_t state_[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  uint8_t held_bytes_[64];
  size_t held_ = 0;
  uint64_t total_ = 0;
};

}  // namespace rve::launcher
