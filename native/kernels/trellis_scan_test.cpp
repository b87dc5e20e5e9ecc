// The trellis kernels against their scalar twins and against the layout that the header states.
#include <cmath>
#include <cstring>
#include <vector>

#include "base/bytes.hpp"
#include "kernels/kernels.hpp"
#include "kernels/split_mix.hpp"
#include "test/test.hpp"

namespace rve {
namespace {

constexpr size_t kSideBytes = 7;  // may be read before a code
// Of a plane: no wide column, one narrow one, both, and the ends of each.
constexpr uint32_t kPlaneBytes[] = {1,  2,  7,  8,  9,  15, 16, 17, 24,  31,
                                    32, 33, 40, 47, 48, 49, 63, 98, 104, 512};

std::vector<const TrellisKernels*> tables() {
  std::vector<const TrellisKernels*> out;
  for (const char* name : {"scalar", "avx2", "avx512", "neon", "dotprod", "rvv"}) {
    if (const Kernels* table = kernelsNamed(name)) out.push_back(table->trellis);
  }
  return out;
}

const TrellisKernels& scalar() { return *kernelsNamed("scalar")->trellis; }

int byteOf(SplitMix& random) { return static_cast<int>(random.next() % 255) - 127; }

TrellisScan scanOf(SplitMix& random, uint32_t plane_bytes, uint32_t index_planes, bool path,
                   uint32_t choice_bytes) {
  TrellisScan scan{};
  scan.plane_bytes = plane_bytes;
  scan.index_planes = index_planes;
  scan.path = path;
  scan.path_at = index_planes * plane_bytes;
  scan.choice_at = (index_planes + (path ? 1 : 0)) * plane_bytes;
  scan.choice_bytes = choice_bytes;
  for (int8_t* table : {scan.zero, scan.one, scan.rest}) {
    for (size_t i = 0; i < 16; ++i) table[i] = static_cast<int8_t>(byteOf(random));
  }
  return scan;
}

// Codes each in a buffer of its own size, so that a sanitizer sees a read outside of it.
struct Codes {
  std::vector<std::vector<std::byte>> records;
  std::vector<const std::byte*> at;

  Codes(SplitMix& random, size_t count, size_t code_bytes) {
    for (size_t i = 0; i < count; ++i) {
      records.emplace_back(kSideBytes + code_bytes);
      for (std::byte& b : records.back()) b = static_cast<std::byte>(random.next());
    }
    for (const auto& record : records) at.push_back(record.data() + kSideBytes);
  }
};

template <typename Use>
void forEachScan(SplitMix& random, Use use) {
  for (const uint32_t plane_bytes : kPlaneBytes) {
    for (const bool path : {false, true}) {
      const uint32_t first = path ? 0 : 1;
      const uint32_t last = path ? 2 : 4;
      for (uint32_t planes = first; planes <= last; ++planes) {
        for (const uint32_t choice : {0u, 1u, plane_bytes / 2, plane_bytes - 1, plane_bytes}) {
          use(scanOf(random, plane_bytes, planes, path, choice));
        }
      }
    }
  }
}

size_t codeBytes(const TrellisScan& scan) { return scan.choice_at + scan.choice_bytes; }

std::vector<int8_t> byteQuery(SplitMix& random, size_t plane_bytes) {
  std::vector<int8_t> query(trellisSlots(plane_bytes));
  for (size_t j = 0; j < plane_bytes; ++j) {
    const TrellisSlot slot = trellisSlot(plane_bytes, j);
    for (size_t g = 0; g < 8; ++g) {
      query[slot.first + g * slot.stride] = static_cast<int8_t>(byteOf(random));
    }
  }
  return query;
}

TEST(every_coordinate_of_a_trellis_query_has_a_slot_of_its_own) {
  for (uint32_t plane_bytes = 1; plane_bytes <= 512; ++plane_bytes) {
    std::vector<int> taken(trellisSlots(plane_bytes));
    CHECK_EQ(taken.size() % 128, size_t{0});
    CHECK(taken.size() < 8 * plane_bytes + 128);
    for (size_t j = 0; j < plane_bytes; ++j) {
      const TrellisSlot slot = trellisSlot(plane_bytes, j);
      for (size_t g = 0; g < 8; ++g) {
        REQUIRE(slot.first + g * slot.stride < taken.size());
        CHECK_EQ(taken[slot.first + g * slot.stride]++, 0);
      }
    }
  }
}

// Bit by bit, from the header alone.
int64_t plainDot(const TrellisScan& scan, const int8_t* query, const std::byte* code) {
  const auto bit = [&](size_t plane, size_t i) {
    return static_cast<uint32_t>(code[plane + i / 8]) >> (i % 8) & 1;
  };
  const auto step = [&](size_t i, size_t back) {
    return i < back ? 0u : bit(scan.path_at, i - back);
  };
  int64_t sum = 0;
  for (size_t i = 0; i < 8 * size_t{scan.plane_bytes}; ++i) {
    uint32_t index = 0;
    for (size_t k = 0; k < scan.index_planes; ++k) {
      index = 2 * index + bit(k * scan.plane_bytes, i);
    }
    if (scan.path) {
      index = 4 * index + 2 * (step(i, 0) ^ step(i, 1) ^ step(i, 3)) + step(i, 2);
    }
    const bool chosen = i < 8 * size_t{scan.choice_bytes};
    const int8_t value = !chosen                     ? scan.rest[index]
                         : bit(scan.choice_at, i) != 0 ? scan.one[index]
                                                       : scan.zero[index];
    const TrellisSlot slot = trellisSlot(scan.plane_bytes, i / 8);
    sum += value * query[slot.first + i % 8 * slot.stride];
  }
  return sum;
}

TEST(a_looked_up_dot_is_exact_in_every_table) {
  SplitMix random(test::seed());
  forEachScan(random, [&](const TrellisScan& scan) {
    const Codes codes(random, 5, codeBytes(scan));
    const std::vector<int8_t> query = byteQuery(random, scan.plane_bytes);
    for (const TrellisKernels* table : tables()) {
      for (const size_t count : {size_t{0}, size_t{1}, size_t{2}, size_t{5}}) {
        std::vector<int32_t> got(count + 1, -7);
        table->dotI8(scan, query.data(), codes.at.data(), count, got.data());
        for (size_t i = 0; i < count; ++i) {
          CHECK_EQ(int64_t{got[i]}, plainDot(scan, query.data(), codes.at[i]));
        }
        CHECK_EQ(got[count], -7);  // nothing is written behind the last
      }
    }
  });
}

TEST(the_largest_values_do_not_overflow_the_narrow_sums_of_a_looked_up_dot) {
  for (const TrellisKernels* table : tables()) {
    for (const int value : {127, -127}) {
      TrellisScan scan{};
      scan.plane_bytes = 512;
      scan.index_planes = 1;
      std::memset(scan.rest, value, sizeof scan.rest);
      const std::vector<std::byte> record(kSideBytes + 512);
      const std::byte* code = record.data() + kSideBytes;
      const std::vector<int8_t> query(4096, 127);
      int32_t got;
      table->dotI8(scan, query.data(), &code, 1, &got);
      CHECK_EQ(got, 4096 * 127 * value);
    }
  }
}

TEST(a_looked_up_float_dot_is_within_its_stated_bound_in_every_table) {
  SplitMix random(test::seed());
  forEachScan(random, [&](const TrellisScan& scan) {
    if (!scan.path) return;
    const Codes codes(random, 3, codeBytes(scan));
    const std::vector<int8_t> whole = byteQuery(random, scan.plane_bytes);
    // Whole numbers times a power of two: the exact sum is known.
    std::vector<float> query(whole.begin(), whole.end());
    for (const TrellisKernels* table : tables()) {
      float got[3];
      table->dotF32(scan, query.data(), codes.at.data(), 3, got);
      for (size_t i = 0; i < 3; ++i) {
        const auto exact = static_cast<double>(plainDot(scan, whole.data(), codes.at[i]));
        const double terms = 127.0 * 127.0 * 8 * scan.plane_bytes;
        CHECK(std::abs(got[i] - exact) <= 8.0 * scan.plane_bytes * 0x1p-23 * terms);
      }
    }
  });
}

TEST(a_dot_over_the_curve_is_the_scalar_one_within_its_stated_bound_in_every_table) {
  SplitMix random(test::seed());
  for (const uint32_t plane_bytes : kPlaneBytes) {
    for (uint32_t planes = 3; planes <= 7; ++planes) {
      for (const uint32_t fine : {0u, 1u, plane_bytes / 2, plane_bytes - 1, plane_bytes}) {
        const TrellisCurve curve{plane_bytes, planes, fine, 0.92f, 2.5f};
        const Codes codes(random, 3, (planes + 1) * plane_bytes + fine);
        const std::vector<int8_t> whole = byteQuery(random, plane_bytes);
        std::vector<float> query(whole.begin(), whole.end());
        float want[3];
        scalar().curveF32(curve, query.data(), codes.at.data(), 3, want);
        // The largest value is 2.5 * 0.92 / sqrt(1 - 0.92^2) = 5.9.
        const double terms = 5.9 * 127.0 * 8 * plane_bytes;
        for (const TrellisKernels* table : tables()) {
          float got[3];
          table->curveF32(curve, query.data(), codes.at.data(), 3, got);
          for (size_t i = 0; i < 3; ++i) {
            const double bound = (0x1p-20 + 8.0 * plane_bytes * 0x1p-22) * terms;
            CHECK(std::abs(got[i] - want[i]) <= bound);
          }
        }
      }
    }
  }
}

// Of coordinate i, from the header alone.
double plainCurve(const TrellisCurve& curve, const std::byte* code, size_t i) {
  const size_t path_at = size_t{curve.amplitude_planes} * curve.plane_bytes;
  const auto bit = [&](size_t plane, size_t at) {
    return static_cast<uint32_t>(code[plane + at / 8]) >> (at % 8) & 1;
  };
  const auto step = [&](size_t back) { return i < back ? 0u : bit(path_at, i - back); };
  const bool fine = i < 8 * size_t{curve.fine_bytes};
  uint32_t level = 0;
  for (size_t k = 0; k < curve.amplitude_planes; ++k) {
    level = 2 * level + bit(k * curve.plane_bytes, i);
  }
  if (fine) level = 2 * level + bit(path_at + curve.plane_bytes, i);
  level = 4 * level + 2 * (step(0) ^ step(1) ^ step(3)) + step(2);
  const double levels = (fine ? 8u : 4u) << curve.amplitude_planes;
  const double y = double{curve.edge} * (2 * level - (levels - 1)) / levels;
  return double{curve.units} * y / std::sqrt(1 - y * y);
}

TEST(every_value_of_the_curve_is_within_its_stated_bound_in_every_table) {
  constexpr uint32_t kBytes = 17;  // two narrow columns
  constexpr size_t kCodes = 8;
  SplitMix random(test::seed());
  for (uint32_t planes = 3; planes <= 7; ++planes) {
    for (const uint32_t fine : {0u, 5u, 16u, kBytes}) {
      const TrellisCurve curve{kBytes, planes, fine, 0.92f, 2.5f};
      const Codes codes(random, kCodes, (planes + 1) * kBytes + fine);
      for (size_t i = 0; i < 8 * kBytes; ++i) {
        const TrellisSlot slot = trellisSlot(kBytes, i / 8);
        std::vector<float> query(trellisSlots(kBytes));  // meets this coordinate alone
        query[slot.first + i % 8 * slot.stride] = 1;
        for (const TrellisKernels* table : tables()) {
          float got[kCodes];
          table->curveF32(curve, query.data(), codes.at.data(), kCodes, got);
          for (size_t k = 0; k < kCodes; ++k) {
            const double want = plainCurve(curve, codes.at[k], i);
            CHECK(std::abs(got[k] - want) <= 0x1p-20 * std::abs(want));
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace rve
