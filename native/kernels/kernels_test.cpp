#include "kernels/kernels.hpp"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <vector>

#include "base/bytes.hpp"
#include "kernels/half_scalar.hpp"
#include "kernels/nav.hpp"
#include "kernels/split_mix.hpp"
#include "test/test.hpp"

namespace rve {
namespace {

// Every table but the scalar one that this CPU runs. Empty only where there is none.
std::vector<const Kernels*> twins() {
  std::vector<const Kernels*> out;
  for (const char* name : {"avx2", "avx512", "neon", "dotprod", "rvv"}) {
    if (const Kernels* table = kernelsNamed(name)) out.push_back(table);
  }
  return out;
}

const Kernels& scalar() { return *kernelsNamed("scalar"); }

std::vector<float> floats(SplitMix& random, size_t n, float scale) {
  std::vector<float> out(n);
  for (float& x : out) x = static_cast<float>(random.uniform() * 2 - 1) * scale;
  return out;
}

std::vector<uint8_t> bytes(SplitMix& random, size_t n) {
  std::vector<uint8_t> out(n);
  for (uint8_t& x : out) x = static_cast<uint8_t>(random.next());
  return out;
}

constexpr size_t kLengths[] = {0,  1,  3,   7,   8,   15,  16,  17,  31,
                               33, 64, 100, 127, 128, 129, 784, 4096};

TEST(a_float_sum_is_within_its_stated_bound_of_exact_arithmetic_in_every_table) {
  SplitMix random(test::seed());
  std::vector<const Kernels*> tables = twins();
  tables.push_back(&scalar());
  for (const Kernels* table : tables) {
    for (const size_t n : kLengths) {
      const auto a = floats(random, n, 3);
      const auto b = floats(random, n, 2);
      std::vector<uint16_t> half(n);
      scalar().halfFromFloat(b.data(), half.data(), n);
      double exact[4] = {};
      double terms[4] = {};
      for (size_t i = 0; i < n; ++i) {
        const double bh = floatFromHalf(half[i]);
        const double term[4] = {a[i] * double{b[i]}, (a[i] - double{b[i]}) * (a[i] - double{b[i]}),
                                a[i] * bh, (a[i] - bh) * (a[i] - bh)};
        for (size_t j = 0; j < 4; ++j) {
          exact[j] += term[j];
          terms[j] += std::abs(term[j]);
        }
      }
      const double got[4] = {table->dotF32(a.data(), b.data(), n),
                             table->l2F32(a.data(), b.data(), n),
                             table->dotF16(a.data(), half.data(), n),
                             table->l2F16(a.data(), half.data(), n)};
      for (size_t j = 0; j < 4; ++j) {
        CHECK(std::abs(got[j] - exact[j]) <= static_cast<double>(n + 2) * 0x1p-23 * terms[j]);
      }
    }
  }
}

TEST(integer_kernels_and_the_transform_give_the_same_bits_in_every_table) {
  if (twins().empty()) SKIP("this CPU runs the scalar table only");
  SplitMix random(test::seed());
  for (const Kernels* table : twins()) {
    for (const size_t n : kLengths) {
      const auto a = bytes(random, n);
      const auto b = bytes(random, n);
      CHECK_EQ(table->hamming(a.data(), b.data(), n), scalar().hamming(a.data(), b.data(), n));
    }
    for (size_t dims = 64; dims <= 4096; dims += dims < 1024 ? 64 : 448) {
      const auto a = bytes(random, dims / 2);
      const auto b = bytes(random, dims / 2);
      std::vector<int8_t> values(dims);
      for (int8_t& v : values) v = static_cast<int8_t>(static_cast<int>(random.next() % 255) - 127);
      CHECK_EQ(table->dotI8U4(values.data(), a.data(), dims),
               scalar().dotI8U4(values.data(), a.data(), dims));
      CHECK_EQ(table->dotU4U4(a.data(), b.data(), dims),
               scalar().dotU4U4(a.data(), b.data(), dims));
    }
    for (size_t n = 64; n <= 4096; n *= 2) {
      const auto in = floats(random, n, 100);
      auto x = in;
      auto y = in;
      table->fht(x.data(), n);
      scalar().fht(y.data(), n);
      CHECK(std::memcmp(x.data(), y.data(), 4 * n) == 0);
      CHECK(std::memcmp(x.data(), in.data(), 4 * n) != 0);
    }
  }
}

TEST(extreme_codes_and_queries_do_not_overflow_the_narrow_sums) {
  std::vector<const Kernels*> tables = twins();
  tables.push_back(&scalar());
  for (const Kernels* table : tables) {
    for (const size_t dims : {size_t{64}, size_t{128}, size_t{832}, size_t{4096}}) {
      const std::vector<uint8_t> code(dims / 2, 0xFF);
      for (const int value : {127, -127}) {
        const std::vector<int8_t> values(dims, static_cast<int8_t>(value));
        CHECK_EQ(table->dotI8U4(values.data(), code.data(), dims),
                 value * 15 * static_cast<int>(dims));
      }
      CHECK_EQ(table->dotU4U4(code.data(), code.data(), dims), 225 * static_cast<int>(dims));
      // The largest look-up table entries: 127 a nibble.
      const size_t code_bytes = dims / 8;
      const std::vector<uint8_t> lut(code_bytes * 32, 127);
      std::vector<std::byte> block(32 * (code_bytes + 8), std::byte{0xA5});
      for (size_t i = 0; i < 32; ++i) {
        store<float>(block, 32 * code_bytes + 4 * i, 0.0f);
        store<float>(block, 32 * code_bytes + 128 + 4 * i, 1.0f);
      }
      std::vector<float> out(32);
      const BinaryScan scan{lut.data(), static_cast<uint32_t>(code_bytes), 0, 1, 0};
      table->binaryBlocks(scan, block.data(), 1, out.data());
      for (const float sum : out) CHECK_EQ(sum, 254.0f * static_cast<float>(code_bytes));
    }
  }
}

TEST(hamming_counts_every_bit_of_buffers_that_differ_everywhere) {
  std::vector<const Kernels*> tables = twins();
  tables.push_back(&scalar());
  const std::vector<uint8_t> zeros(70'000, 0);
  const std::vector<uint8_t> ones(70'000, 0xFF);
  for (const Kernels* table : tables) {
    // Around what fits narrow counters: 255 / 8 vectors, 65,535 / 8 bytes.
    for (const size_t n : {size_t{496}, size_t{497}, size_t{1025}, size_t{8192}, size_t{70'000}}) {
      CHECK_EQ(table->hamming(zeros.data(), ones.data(), n), 8 * n);
    }
  }
}

TEST(an_odd_address_changes_no_result_in_any_table) {
  SplitMix random(test::seed());
  std::vector<const Kernels*> tables = twins();
  tables.push_back(&scalar());
  constexpr uint32_t kDims = 192;
  constexpr size_t kCodeBytes = 24;
  constexpr size_t kBytes = 8192;
  const auto even = bytes(random, kBytes);
  std::vector<uint8_t> odd(kBytes + 1);
  std::memcpy(odd.data() + 1, even.data(), kBytes);
  std::vector<uint8_t> lut = bytes(random, 32 * kCodeBytes);
  for (uint8_t& entry : lut) entry &= 127;
  std::vector<int8_t> values(kDims, 3);
  const NavQueryView query{values.data(), kDims, 0.5f, 0.01f, -0.3f};
  const BinaryScan scan{lut.data(), kCodeBytes, 1.0f, 2.0f, -4.0f};
  const uint32_t rows[] = {0, 3, 2, 5, 7};
  for (const Kernels* table : tables) {
    float got[2][64 + 5];
    const uint8_t* at[2] = {even.data(), odd.data() + 1};
    for (size_t i = 0; i < 2; ++i) {
      const std::byte* data = bytesOf(at[i], kBytes).data();
      table->navDistances(query, data, navRecordBytes(kDims), rows, 5, got[i]);
      table->binaryBlocks(scan, data, 2, got[i] + 5);
    }
    CHECK(std::memcmp(got[0], got[1], sizeof got[0]) == 0);
    CHECK_EQ(table->hamming(at[0], at[1], 999), uint64_t{0});
    CHECK_EQ(table->dotU4U4(at[0], at[1], kDims), table->dotU4U4(at[0], at[0], kDims));
    CHECK_EQ(table->dotI8U4(values.data(), at[1], kDims),
             table->dotI8U4(values.data(), at[0], kDims));
  }
}

TEST(distances_by_record_and_by_block_agree_in_every_table) {
  if (twins().empty()) SKIP("this CPU runs the scalar table only");
  SplitMix random(test::seed());
  for (const Kernels* table : twins()) {
    for (const uint32_t dims : {64u, 128u, 192u, 832u, 2112u, 4096u}) {
      constexpr uint32_t kRows = 70;
      const size_t stride = navRecordBytes(dims);
      const std::vector<uint8_t> raw = bytes(random, kRows * stride);
      std::vector<std::byte> records(raw.size());
      std::memcpy(records.data(), raw.data(), raw.size());
      for (uint32_t row = 0; row < kRows; ++row) {
        store<float>(records, row * stride + dims / 2, static_cast<float>(random.uniform()));
        store<float>(records, row * stride + dims / 2 + 4, -static_cast<float>(random.uniform()));
      }
      std::vector<int8_t> values(dims);
      for (int8_t& v : values) v = static_cast<int8_t>(static_cast<int>(random.next() % 255) - 127);
      const NavQueryView query{values.data(), dims, 0.5f, 0.01f, -0.3f};
      for (const size_t count : {size_t{1}, size_t{2}, size_t{3}, size_t{4}, size_t{33}}) {
        std::vector<uint32_t> rows(count);
        for (uint32_t& row : rows) row = static_cast<uint32_t>(random.next() % kRows);
        std::vector<float> got(count + 1, -7.0f);
        std::vector<float> want(count);
        table->navDistances(query, records.data(), stride, rows.data(), count, got.data());
        scalar().navDistances(query, records.data(), stride, rows.data(), count, want.data());
        for (size_t i = 0; i < count; ++i) {
          const float dot = static_cast<float>(
              scalar().dotI8U4(values.data(), raw.data() + rows[i] * stride, dims));
          const float size = 2 + std::abs(0.01f * dot);  // sum of the absolute terms, at least
          CHECK(std::abs(got[i] - want[i]) <= 8 * 0x1p-23f * size);
        }
        CHECK_EQ(got[count], -7.0f);  // nothing is written behind the last
      }
    }
  }
}

TEST(a_block_scan_gives_each_row_its_own_look_up_sum_in_every_table) {
  SplitMix random(test::seed());
  std::vector<const Kernels*> tables = twins();
  tables.push_back(&scalar());
  for (const Kernels* table : tables) {
    for (const size_t code_bytes : {size_t{8}, size_t{16}, size_t{104}, size_t{264}, size_t{512}}) {
      constexpr size_t kBlocks = 3;
      const size_t stride = 32 * (code_bytes + 8);
      const std::vector<uint8_t> raw = bytes(random, kBlocks * stride);
      std::vector<std::byte> blocks(raw.size());
      std::memcpy(blocks.data(), raw.data(), raw.size());
      std::vector<uint8_t> lut = bytes(random, code_bytes * 32);
      for (uint8_t& entry : lut) entry &= 127;
      for (size_t row = 0; row < 32 * kBlocks; ++row) {
        const size_t at = row / 32 * stride + 32 * code_bytes + 4 * (row % 32);
        store<float>(blocks, at, 2.0f);
        store<uint32_t>(blocks, at + 128, std::bit_cast<uint32_t>(-0.5f) | 0xFFu);
      }
      std::vector<float> got(32 * kBlocks);
      const BinaryScan scan{lut.data(), static_cast<uint32_t>(code_bytes), 1.0f, 2.0f, -4.0f};
      table->binaryBlocks(scan, blocks.data(), kBlocks, got.data());
      for (size_t row = 0; row < got.size(); ++row) {
        int sum = 0;
        for (size_t m = 0; m < code_bytes; ++m) {
          const uint8_t code = raw[row / 32 * stride + 32 * m + row % 32];
          sum += lut[32 * m + (code & 15)] + lut[32 * m + 16 + (code >> 4)];
        }
        CHECK_EQ(got[row], 3.0f - 0.5f * (2.0f * static_cast<float>(sum) - 4.0f));
      }
    }
  }
}

TEST(every_half_converts_to_float_and_back_to_itself_in_every_table) {
  std::vector<const Kernels*> tables = twins();
  tables.push_back(&scalar());
  std::vector<uint16_t> all(65536);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint16_t>(i);
  std::vector<float> wide(all.size());
  std::vector<float> want(all.size());
  std::vector<uint16_t> back(all.size());
  scalar().floatFromHalf(all.data(), want.data(), all.size());
  for (const Kernels* table : tables) {
    table->floatFromHalf(all.data(), wide.data(), all.size());
    CHECK(std::memcmp(wide.data(), want.data(), 4 * all.size()) == 0);
    table->halfFromFloat(wide.data(), back.data(), all.size());
    size_t wrong = 0;
    for (size_t i = 0; i < all.size(); ++i) {
      const bool nan = (i & 0x7FFF) > 0x7C00;
      wrong += back[i] != (nan ? (i | 0x200) : i);
    }
    CHECK_EQ(wrong, size_t{0});
  }
}

TEST(floats_round_to_the_nearest_half_with_ties_to_even_in_every_table) {
  struct Case {
    float in;
    uint16_t out;
  };
  const float inf = std::numeric_limits<float>::infinity();
  const Case cases[] = {
      {1.0f, 0x3C00},           {-2.0f, 0xC000},       {65504.0f, 0x7BFF}, {65519.996f, 0x7BFF},
      {65520.0f, 0x7C00},       {-70000.0f, 0xFC00},   {inf, 0x7C00},      {-inf, 0xFC00},
      {1.0f + 0x1p-11f, 0x3C00}, {1.0f + 0x3p-11f, 0x3C02}, {1.0f + 0x1.1p-11f, 0x3C01},
      {0x1p-14f, 0x0400},       {0x1p-24f, 0x0001},    {0x1p-25f, 0x0000}, {0x1.1p-25f, 0x0001},
      {0x3p-25f, 0x0002},       {-0.0f, 0x8000},       {0x1p-149f, 0x0000}, {0x1.FFCp-15f, 0x0400},
  };
  std::vector<const Kernels*> tables = twins();
  tables.push_back(&scalar());
  for (const Kernels* table : tables) {
    for (const Case& c : cases) {
      // 8 copies, so that the vector path is taken too, and one in the tail.
      std::vector<float> in(9, c.in);
      std::vector<uint16_t> out(9);
      table->halfFromFloat(in.data(), out.data(), in.size());
      for (const uint16_t half : out) CHECK_EQ(half, c.out);
    }
  }
  SplitMix random(test::seed());
  for (const Kernels* table : twins()) {
    size_t wrong = 0;
    for (int round = 0; round < 2000; ++round) {
      uint32_t bits[64];
      float in[64];
      uint16_t out[64];
      for (uint32_t& b : bits) b = static_cast<uint32_t>(random.next());
      std::memcpy(in, bits, sizeof in);
      table->halfFromFloat(in, out, 64);
      for (size_t i = 0; i < 64; ++i) wrong += out[i] != halfFromFloat(in[i]);
    }
    CHECK_EQ(wrong, size_t{0});
  }
}

TEST(a_stored_row_as_a_query_gives_the_same_distance_as_the_pair_of_rows) {
  SplitMix random(test::seed());
  constexpr uint32_t kDims = 192;
  constexpr uint32_t kRows = 20;
  const size_t stride = navRecordBytes(kDims);
  std::vector<std::byte> records(kRows * stride);
  for (std::byte& b : records) b = static_cast<std::byte>(random.next());
  for (uint32_t row = 0; row < kRows; ++row) {
    uint32_t sum = 0;
    for (size_t i = 0; i < kDims / 2; ++i) {
      const auto code = static_cast<uint32_t>(records[row * stride + i]);
      sum += (code & 15) + (code >> 4);
    }
    const NavFactors factors{static_cast<float>(random.uniform()), -0.01f, sum, 0};
    store(records, row * stride + kDims / 2, factors);
  }
  const NavSpace space{records.data(), kRows, kDims, 0.25f, -1.0f};
  std::vector<int8_t> values(kDims);
  for (uint32_t a = 0; a < kRows; ++a) {
    const NavQueryView query = navQueryFromRow(space, a, values.data());
    for (uint32_t b = 0; b < kRows; ++b) {
      const float pair = navPairDistance(kernels(), space, a, b);
      CHECK(std::abs(navDistance(kernels(), query, space.record(b)) - pair) < 1e-4f);
    }
  }
}

TEST(a_kernel_table_is_found_by_its_own_name_only) {
  REQUIRE(kernelsNamed("scalar") != nullptr);
  CHECK_EQ(std::string_view(kernelsNamed("scalar")->name), std::string_view("scalar"));
  CHECK(kernelsNamed("sse9") == nullptr);
  CHECK(kernelsNamed(kernels().name) == &kernels());
  // What make test-qemu knows of the CPU that it emulates.
  if (const char* expected = std::getenv("RVE_KERNELS_EXPECTED")) {
    CHECK_EQ(std::string_view(kernels().name), std::string_view(expected));
  }
  const char* wanted = std::getenv("RVE_KERNELS");
  if (wanted != nullptr && kernelsNamed(wanted) != nullptr) {
    CHECK_EQ(std::string_view(kernels().name), std::string_view(wanted));
  }
}

}  // namespace
}  // namespace rve
