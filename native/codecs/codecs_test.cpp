// Rotation, 1-bit and 4-bit codes, on seeded random data.
#include <atomic>
#include <bit>
#include <cmath>
#include <thread>
#include <vector>

#include "codecs/binary.hpp"
#include "codecs/quant4.hpp"
#include "codecs/rotation.hpp"
#include "kernels/split_mix.hpp"
#include "kernels/top_rows.hpp"
#include "test/test.hpp"

namespace rve {
namespace {

constexpr DistanceKind kKinds[] = {DistanceKind::kCosine, DistanceKind::kL2, DistanceKind::kIp};

double dot(const float* a, const float* b, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += double{a[i]} * b[i];
  return sum;
}

// Exact distance of the plain vectors.
double exactDistance(DistanceKind kind, const float* q, const float* x, size_t n) {
  if (kind != DistanceKind::kL2) return -dot(q, x, n);
  return dot(q, q, n) + dot(x, x, n) - 2 * dot(q, x, n);
}

double gaussian(SplitMix& random) {
  const double u = 1 - random.uniform();
  return std::sqrt(-2 * std::log(u)) * std::cos(6.283185307179586 * random.uniform());
}

// Rows around a shared offset, so that a centre is worth having; unit length for cosine.
struct Sample {
  uint32_t dims;
  uint32_t rows;
  std::vector<float> values;

  Sample(SplitMix& random, DistanceKind kind, uint32_t d, uint32_t n)
      : dims(d), rows(n), values(size_t{d} * n) {
    std::vector<double> offset(d);
    for (double& x : offset) x = gaussian(random);
    for (uint32_t row = 0; row < n; ++row) {
      float* x = values.data() + size_t{row} * d;
      for (uint32_t i = 0; i < d; ++i) {
        x[i] = static_cast<float>(offset[i] + 0.7 * gaussian(random));
      }
      if (kind != DistanceKind::kCosine) continue;
      const auto norm = static_cast<float>(std::sqrt(dot(x, x, d)));
      for (uint32_t i = 0; i < d; ++i) x[i] /= norm;
    }
  }
  const float* row(uint32_t r) const { return values.data() + size_t{r} * dims; }
  std::vector<float> mean() const {
    std::vector<float> out(dims);
    for (size_t i = 0; i < values.size(); ++i) {
      out[i % dims] += values[i] / static_cast<float>(rows);
    }
    return out;
  }
};

TEST(a_rotation_keeps_norms_and_dots_for_every_kind_of_dimension) {
  SplitMix random(test::seed());
  for (const uint32_t dims : {1u, 2u, 3u, 63u, 64u, 65u, 100u, 128u, 192u, 784u, 1000u, 4096u}) {
    const Rotation rotation(dims, random.next());
    CHECK_EQ(rotation.paddedDims() % 64, 0u);
    std::vector<float> a(dims);
    std::vector<float> b(dims);
    for (float& x : a) x = static_cast<float>(gaussian(random));
    for (float& x : b) x = static_cast<float>(gaussian(random));
    std::vector<float> ra(rotation.paddedDims());
    std::vector<float> rb(rotation.paddedDims());
    rotation.apply(a.data(), ra.data());
    rotation.apply(b.data(), rb.data());
    const double size = std::sqrt(dot(a.data(), a.data(), dims) * dot(b.data(), b.data(), dims));
    const double want = dot(a.data(), b.data(), dims);
    CHECK(std::abs(dot(ra.data(), rb.data(), ra.size()) - want) < 1e-5 * size);
    const double norm = dot(a.data(), a.data(), dims);
    CHECK(std::abs(dot(ra.data(), ra.data(), ra.size()) - norm) < 1e-5 * norm);
  }
}

TEST(a_rotation_spreads_one_coordinate_over_all_of_them) {
  for (const uint32_t dims : {64u, 128u, 192u, 832u}) {
    const Rotation rotation(dims, test::seed());
    std::vector<float> in(dims);
    std::vector<float> out(dims);
    in[dims / 2] = 1;
    rotation.apply(in.data(), out.data());
    float largest = 0;
    for (const float x : out) largest = std::max(largest, std::abs(x));
    CHECK(largest < 8 / std::sqrt(static_cast<float>(dims)));
  }
}

TEST(a_rotation_is_the_same_for_a_seed_and_another_for_another) {
  std::vector<float> in(100, 1.0f);
  std::vector<float> out[3];
  const uint64_t seeds[] = {7, 7, 8};
  for (size_t i = 0; i < 3; ++i) {
    const Rotation rotation(100, seeds[i]);
    out[i].resize(rotation.paddedDims());
    rotation.apply(in.data(), out[i].data());
  }
  CHECK(out[0] == out[1]);
  CHECK(out[0] != out[2]);
  // Stored codes depend on these bits: they may never change.
  CHECK_EQ(std::bit_cast<uint32_t>(out[0][0]), 3199163596u);
  CHECK_EQ(std::bit_cast<uint32_t>(out[0][127]), 1069847392u);
}

struct Errors {
  double bias = 0;      // mean of error / bound
  double outside = 0;   // share of |error| > bound
};

// Over 16 rotations: errors under one rotation share its luck, so the mean needs many.
Errors binaryErrors(SplitMix& random, DistanceKind kind, uint32_t dims, bool centred) {
  const Sample sample(random, kind, dims, 150);
  const std::vector<float> mean = sample.mean();
  Errors out;
  size_t count = 0;
  for (int turn = 0; turn < 16; ++turn) {
    const Rotation rotation(dims, random.next());
    const BinaryCodec codec(kind, rotation, centred ? mean : std::vector<float>());
    std::vector<std::byte> blocks(codec.bytesFor(sample.rows));
    std::vector<float> rotated(rotation.paddedDims());
    for (uint32_t row = 0; row < sample.rows; ++row) {
      rotation.apply(sample.row(row), rotated.data());
      codec.put(blocks.data(), row, rotated.data());
    }
    BinaryQuery query;
    std::vector<float> estimate(sample.rows);
    for (uint32_t q = 0; q < 20; ++q) {
      rotation.apply(sample.row(q), rotated.data());
      codec.prepare(rotated.data(), &query);
      codec.scan(query, blocks.data(), 0, sample.rows, estimate.data());
      for (uint32_t row = 20; row < sample.rows; ++row) {
        const double error =
            estimate[row] - exactDistance(kind, sample.row(q), sample.row(row), dims);
        const double bound = codec.errorBound(query, blocks.data(), row);
        out.bias += error / bound;
        out.outside += std::abs(error) > bound;
        ++count;
      }
    }
  }
  out.bias /= static_cast<double>(count);
  out.outside /= static_cast<double>(count);
  return out;
}

// The bound is 1.9 standard deviations, which a gaussian leaves in 5.7 % of the cases.
TEST(a_one_bit_estimate_is_unbiased_and_within_its_bound_as_often_as_stated) {
  SplitMix random(test::seed());
  for (const DistanceKind kind : kKinds) {
    for (const uint32_t dims : {64u, 128u, 200u}) {
      for (const bool centred : {false, true}) {
        const Errors errors = binaryErrors(random, kind, dims, centred);
        CHECK(std::abs(errors.bias) < 0.12);
        CHECK(errors.outside < 0.085);
        CHECK(errors.outside > 0.0005);  // a bound that never fails is no use as a bound
      }
    }
  }
}

TEST(a_scan_gives_the_same_estimates_whatever_its_first_row_and_length) {
  SplitMix random(test::seed());
  const Sample sample(random, DistanceKind::kL2, 128, 150);
  const Rotation rotation(128, 5);
  const BinaryCodec codec(DistanceKind::kL2, rotation, {});
  std::vector<std::byte> blocks(codec.bytesFor(sample.rows));
  std::vector<float> rotated(128);
  for (uint32_t row = 0; row < sample.rows; ++row) {
    rotation.apply(sample.row(row), rotated.data());
    codec.put(blocks.data(), row, rotated.data());
  }
  BinaryQuery query;
  codec.prepare(rotated.data(), &query);
  std::vector<float> all(sample.rows);
  codec.scan(query, blocks.data(), 0, sample.rows, all.data());
  const uint32_t ranges[][2] = {{0, 1}, {31, 2}, {5, 100}, {32, 64}, {149, 1}, {64, 86}, {7, 0}};
  for (const auto& range : ranges) {
    std::vector<float> part(range[1] + 1, -5.0f);
    codec.scan(query, blocks.data(), range[0], range[1], part.data());
    for (uint32_t i = 0; i < range[1]; ++i) {
      CHECK(std::abs(part[i] - all[range[0] + i]) <= 1e-5f * std::abs(all[range[0] + i]));
    }
    CHECK_EQ(part[range[1]], -5.0f);
  }
}

// Run under TSan by make verify: the reader must not touch a byte of an unpublished row.
TEST(a_reader_may_scan_published_rows_while_the_writer_adds_later_ones) {
  constexpr uint32_t kRows = 500;
  const Rotation rotation(64, 5);
  const BinaryCodec codec(DistanceKind::kL2, rotation, {});
  std::vector<std::byte> blocks(codec.bytesFor(kRows));
  std::atomic<uint32_t> published{0};
  std::vector<float> unit(64, 0.125f);
  BinaryQuery query;
  codec.prepare(unit.data(), &query);
  std::thread writer([&] {
    for (uint32_t row = 0; row < kRows; ++row) {
      codec.put(blocks.data(), row, unit.data());
      published.store(row + 1, std::memory_order_release);
    }
  });
  std::vector<float> out(kRows);
  size_t wrong = 0;
  uint32_t rows = 0;
  while (rows < kRows) {
    rows = published.load(std::memory_order_acquire);
    codec.scan(query, blocks.data(), 0, rows, out.data());
    for (uint32_t row = 0; row < rows; ++row) wrong += !(std::abs(out[row]) < 0.02f);
  }
  writer.join();
  CHECK_EQ(wrong, size_t{0});
}

TEST(a_row_on_the_centre_has_an_exact_estimate_and_zero_factor) {
  const Rotation rotation(64, 5);
  std::vector<float> centre(64, 2.0f);
  for (const DistanceKind kind : {DistanceKind::kL2, DistanceKind::kIp}) {
    const BinaryCodec binary(kind, rotation, centre);
    const NavCodec nav(kind, rotation, centre);
    std::vector<float> rotated(64);
    std::vector<float> query_plain(64, 3.0f);
    std::vector<float> query(64);
    rotation.apply(centre.data(), rotated.data());
    rotation.apply(query_plain.data(), query.data());
    std::vector<std::byte> block(binary.blockBytes());
    std::vector<std::byte> record(nav.recordBytes());
    binary.put(block.data(), 0, rotated.data());
    nav.encode(rotated.data(), record.data());
    BinaryQuery bq;
    NavQuery nq;
    binary.prepare(query.data(), &bq);
    nav.prepare(query.data(), &nq);
    const double exact = exactDistance(kind, query_plain.data(), centre.data(), 64);
    float estimate = 0;
    binary.scan(bq, block.data(), 0, 1, &estimate);
    CHECK(std::abs(estimate - exact) < 1e-3);
    CHECK(std::abs(nav.distance(nq, record.data()) - exact) < 1e-3);
  }
}

TEST(a_four_bit_estimate_is_unbiased_and_close_and_the_decoded_vector_too) {
  SplitMix random(test::seed());
  for (const DistanceKind kind : kKinds) {
    for (const uint32_t dims : {64u, 128u, 200u}) {
      const Sample sample(random, kind, dims, 400);
      const std::vector<float> mean = sample.mean();
      const Rotation rotation(dims, random.next());
      const NavCodec codec(kind, rotation, mean);
      std::vector<std::byte> records(sample.rows * codec.recordBytes());
      std::vector<float> rotated(rotation.paddedDims());
      std::vector<float> decoded(rotation.paddedDims());
      double off = 0;
      double spread = 0;
      for (uint32_t row = 0; row < sample.rows; ++row) {
        std::byte* record = records.data() + row * codec.recordBytes();
        rotation.apply(sample.row(row), rotated.data());
        codec.encode(rotated.data(), record);
        codec.decode(record, decoded.data());
        for (size_t i = 0; i < decoded.size(); ++i) {
          off += (decoded[i] - rotated[i]) * (decoded[i] - rotated[i]);
        }
        spread += exactDistance(DistanceKind::kL2, sample.row(row), mean.data(), dims);
      }
      CHECK(off < 0.02 * spread);  // 4 bits of a gaussian leave 1.2 % of the variance
      const NavSpace space = codec.space(records.data(), sample.rows);
      NavQuery query;
      double bias = 0;
      double error2 = 0;
      double pair_error2 = 0;
      double scale2 = 0;
      for (uint32_t q = 0; q < 20; ++q) {
        rotation.apply(sample.row(q), rotated.data());
        codec.prepare(rotated.data(), &query);
        for (uint32_t row = 20; row < sample.rows; ++row) {
          const double exact = exactDistance(kind, sample.row(q), sample.row(row), dims);
          const double error = codec.distance(query, space.record(row)) - exact;
          const double pair = navPairDistance(kernels(), space, q, row) - exact;
          bias += error;
          error2 += error * error;
          pair_error2 += pair * pair;
          const double l2 = exactDistance(DistanceKind::kL2, sample.row(q), sample.row(row), dims);
          scale2 += l2 * l2;
        }
      }
      const double rms = std::sqrt(error2 / scale2);
      CHECK(rms < 0.03);
      CHECK(std::sqrt(pair_error2 / scale2) < 0.05);
      CHECK(std::abs(bias) / std::sqrt(scale2 * 20 * 380) < 0.004);
    }
  }
}

TEST(the_four_bit_order_of_rows_finds_the_true_nearest) {
  SplitMix random(20260301);
  const Sample sample(random, DistanceKind::kCosine, 128, 3000);
  const Rotation rotation(128, 9);
  const NavCodec codec(DistanceKind::kCosine, rotation, sample.mean());
  std::vector<std::byte> records(sample.rows * codec.recordBytes());
  std::vector<float> rotated(128);
  for (uint32_t row = 0; row < sample.rows; ++row) {
    rotation.apply(sample.row(row), rotated.data());
    codec.encode(rotated.data(), records.data() + row * codec.recordBytes());
  }
  size_t at10 = 0;
  size_t at30 = 0;
  for (uint32_t q = 0; q < 50; ++q) {
    TopRows exact;
    TopRows coded;
    exact.reset(10);
    coded.reset(30);
    NavQuery query;
    rotation.apply(sample.row(q), rotated.data());
    codec.prepare(rotated.data(), &query);
    for (uint32_t row = 0; row < sample.rows; ++row) {
      exact.offer(static_cast<float>(exactDistance(DistanceKind::kCosine, sample.row(q),
                                                   sample.row(row), 128)),
                  row);
      coded.offer(codec.distance(query, records.data() + row * codec.recordBytes()), row);
    }
    for (const Scored& want : exact.sorted()) {
      const auto& got = coded.sorted();
      for (size_t i = 0; i < got.size(); ++i) {
        at10 += i < 10 && got[i].row == want.row;
        at30 += got[i].row == want.row;
      }
    }
  }
  CHECK(at10 >= 420);  // of 500: unstructured gaussians are the hardest case
  CHECK(at30 >= 495);
}

}  // namespace
}  // namespace rve
