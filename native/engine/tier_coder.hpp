// A tier codec, and how to walk its records.
#pragma once
#include "codecs/tier_nav.hpp"

namespace rve {

struct TierCoder {
  TierCoder(std::shared_ptr<const TierCodebook> codebook, Tier tier, float bits)
      : codec(std::move(codebook), tier, bits), nav(codec) {}
  TierCoder(const TierCoder&) = delete;
  TierCoder& operator=(const TierCoder&) = delete;

  const TierCodec codec;
  const TierNav nav;
};

}  // namespace rve
