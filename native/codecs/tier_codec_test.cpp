// Rotation, trellis, codebook and tier codecs, on seeded random data.
#include <cmath>
#include <limits>
#include <vector>

#include "base/crc32c.hpp"
#include "codecs/rotation.hpp"
#include "codecs/tier_codec.hpp"
#include "kernels/split_mix.hpp"
#include "kernels/top_rows.hpp"
#include "test/test.hpp"

namespace rve {
namespace {

constexpr DistanceKind kKinds[] = {DistanceKind::kCosine, DistanceKind::kL2, DistanceKind::kIp};
constexpr Tier kTiers[] = {Tier::kWarm, Tier::kCool, Tier::kCold, Tier::kArchive};
constexpr Tier kCoded[] = {Tier::kCool, Tier::kCold, Tier::kArchive};

double dot(const float* a, const float* b, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += double{a[i]} * b[i];
  return sum;
}

double distance2(const float* a, const float* b, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
  return sum;
}

double exactDistance(DistanceKind kind, const float* q, const float* x, size_t n) {
  return kind == DistanceKind::kL2 ? distance2(q, x, n) : -dot(q, x, n);
}

double gaussian(SplitMix& random) {
  const double u = 1 - random.uniform();
  return std::sqrt(-2 * std::log(u)) * std::cos(6.283185307179586 * random.uniform());
}

// Rows about ten centres, all away from zero; unit length for cosine.
struct Sample {
  uint32_t dims;
  uint32_t rows;
  std::vector<float> values;

  Sample(SplitMix& random, DistanceKind kind, uint32_t d, uint32_t n)
      : dims(d), rows(n), values(size_t{d} * n) {
    std::vector<double> centres(size_t{10} * d);
    for (double& x : centres) x = 0.5 + gaussian(random);
    for (uint32_t row = 0; row < n; ++row) {
      float* x = values.data() + size_t{row} * d;
      const double* centre = centres.data() + random.next() % 10 * d;
      for (uint32_t i = 0; i < d; ++i) {
        x[i] = static_cast<float>(centre[i] + 0.6 * gaussian(random));
      }
      if (kind != DistanceKind::kCosine) continue;
      const auto norm = static_cast<float>(std::sqrt(dot(x, x, d)));
      for (uint32_t i = 0; i < d; ++i) x[i] /= norm;
    }
  }
  const float* row(uint32_t r) const { return values.data() + size_t{r} * dims; }
};

std::shared_ptr<const TierCodebook> trained(const Sample& sample, DistanceKind kind,
                                            uint64_t seed) {
  return TierCodebook::train({.id = 3, .dims = sample.dims, .kind = kind, .seed = seed},
                             sample.values.data(), sample.rows);
}

std::vector<float> rotate(const TierCodebook& book, const float* x) {
  std::vector<float> out(book.paddedDims());
  book.rotation().apply(x, out.data());
  return out;
}

std::vector<std::byte> encodeRow(const TierCodec& codec, const float* x) {
  std::vector<std::byte> record(codec.recordBytes());
  codec.encode(x, rotate(codec.codebook(), x).data(), record.data());
  return record;
}

TierQuery queryOf(const TierCodebook& book, const float* q) {
  TierQuery query;
  prepareTierQuery(book, q, rotate(book, q).data(), &query);
  return query;
}

TEST(a_tier_rotation_keeps_lengths_and_its_inverse_undoes_it) {
  SplitMix random(test::seed());
  for (const uint32_t dims : {1u, 2u, 7u, 8u, 12u, 40u, 63u, 64u, 100u, 128u, 784u, 1000u, 4096u}) {
    const TierRotation rotation(dims, random.next());
    CHECK_EQ(rotation.paddedDims(), (dims + 7) / 8 * 8);
    std::vector<float> in(dims);
    for (float& x : in) x = static_cast<float>(gaussian(random));
    std::vector<float> turned(rotation.paddedDims());
    rotation.apply(in.data(), turned.data());
    const double norm2 = dot(in.data(), in.data(), dims);
    CHECK(std::abs(dot(turned.data(), turned.data(), turned.size()) - norm2) < 1e-5 * norm2);
    std::vector<float> back(dims);
    rotation.applyInverse(turned.data(), back.data());
    CHECK(distance2(in.data(), back.data(), dims) < 1e-10 * norm2);
  }
}

TEST(a_tier_rotation_of_whole_blocks_is_the_rotation_of_the_navigation_codes) {
  SplitMix random(test::seed());
  for (const uint32_t dims : {64u, 128u, 192u, 768u}) {
    const uint64_t seed = random.next();
    std::vector<float> in(dims);
    for (float& x : in) x = static_cast<float>(gaussian(random));
    std::vector<float> ours(dims);
    std::vector<float> theirs(dims);
    TierRotation(dims, seed).apply(in.data(), ours.data());
    Rotation(dims, seed).apply(in.data(), theirs.data());
    CHECK(ours == theirs);
  }
}

// Signal to noise in dB of a gaussian at its best scale.
double gaussianDecibels(SplitMix& random, const TrellisShape& shape) {
  const TrellisGrid grid(shape);
  std::vector<float> values(shape.dims);
  std::vector<float> decoded(shape.dims);
  std::vector<uint16_t> levels(shape.dims);
  std::vector<uint8_t> path(shape.dims);
  std::vector<std::byte> code(shape.codeBytes());
  double error = 0;
  double signal = 0;
  for (int turn = 0; turn < 20; ++turn) {
    for (float& x : values) x = static_cast<float>(gaussian(random));
    grid.quantise(values.data(), grid.unitsPerDeviation(), levels.data(), path.data());
    grid.pack(levels.data(), path.data(), code.data());
    grid.unpack(code.data(), decoded.data());
    std::vector<float> direct(shape.dims);
    grid.valuesOf(levels.data(), direct.data());
    CHECK(direct == decoded);  // packing loses nothing
    for (uint32_t i = 0; i < shape.dims; ++i) {
      const double off = double{values[i]} - decoded[i] / grid.unitsPerDeviation();
      error += off * off;
      signal += double{values[i]} * values[i];
    }
  }
  return 10 * std::log10(signal / error);
}

TEST(a_trellis_code_reaches_the_signal_to_noise_that_its_table_states) {
  SplitMix random(20260303);  // one number far out is all the noise there is at 8 bits
  const double stated[] = {5.2, 10.6, 16.2, 21.8, 28.0, 33.9, 39.9, 45.9};
  for (uint32_t planes = 1; planes <= kTrellisPlanesMax; ++planes) {
    const double whole = gaussianDecibels(random, {1024, planes, 0});
    CHECK(whole > stated[planes - 1] - 0.35);
    const double half = gaussianDecibels(random, {1024, planes, 512});
    CHECK(half > whole + 1.5);
  }
}

TEST(a_trellis_dot_is_the_dot_with_its_values_for_any_bytes) {
  SplitMix random(test::seed());
  for (uint32_t planes = 1; planes <= kTrellisPlanesMax; ++planes) {
    for (const uint32_t fine : {0u, 8u, 72u}) {
      const TrellisGrid grid({104, planes, fine});
      std::vector<std::byte> code(grid.shape().codeBytes());
      for (std::byte& b : code) b = static_cast<std::byte>(random.next());
      std::vector<float> query(104);
      for (float& x : query) x = static_cast<float>(gaussian(random));
      std::vector<float> values(104);
      grid.unpack(code.data(), values.data());
      const double exact = dot(values.data(), query.data(), 104);
      const double size = std::sqrt(dot(values.data(), values.data(), 104));
      CHECK(std::abs(grid.dot(code.data(), query.data()) - exact) < 1e-4 * size);
    }
  }
}

TEST(records_have_the_promised_size) {
  for (const uint32_t dims : {100u, 128u, 384u, 784u, 1024u, 4096u}) {
    const auto book = TierCodebook::dataFree({.dims = dims});
    const size_t raw = 4 * size_t{dims};
    CHECK(TierCodec(book, Tier::kWarm).recordBytes() <= raw / 2 + 2);
    CHECK(TierCodec(book, Tier::kCool).recordBytes() <= raw / 4);
    CHECK(TierCodec(book, Tier::kCold).recordBytes() <= raw / 8);
    CHECK(TierCodec(book, Tier::kArchive).recordBytes() <= (dims + 7) / 8 + 7);
    CHECK(TierCodec(book, Tier::kCool, 6).recordBytes() <= raw * 6 / 32);
    CHECK(TierCodec(book, Tier::kCool, 6).recordBytes() + 1 >= raw * 6 / 32);
    CHECK(TierCodec(book, Tier::kCold, 2).recordBytes() <= raw / 16);
  }
}

struct Quality {
  double error = 0;    // mean |x - decoded|^2 / |x - mean of all|^2
  double outside = 0;  // share of distances beyond their bound
  double bias = 0;     // mean of error / bound
};

Quality qualityOf(const Sample& sample, const TierCodec& codec) {
  const DistanceKind kind = codec.codebook().kind();
  Quality out;
  std::vector<float> decoded(sample.dims);
  std::vector<float> mean(sample.dims);
  for (size_t i = 0; i < sample.values.size(); ++i) {
    mean[i % sample.dims] += sample.values[i] / static_cast<float>(sample.rows);
  }
  std::vector<TierQuery> queries;
  for (uint32_t q = 0; q < 10; ++q) queries.push_back(queryOf(codec.codebook(), sample.row(q)));
  double error = 0;
  double spread = 0;
  size_t count = 0;
  for (uint32_t row = 10; row < sample.rows; ++row) {
    const std::vector<std::byte> record = encodeRow(codec, sample.row(row));
    codec.decode(record.data(), decoded.data());
    error += distance2(decoded.data(), sample.row(row), sample.dims);
    spread += distance2(mean.data(), sample.row(row), sample.dims);
    for (uint32_t q = 0; q < 10; ++q) {
      const double exact = exactDistance(kind, sample.row(q), sample.row(row), sample.dims);
      const double bound = codec.errorBound(&queries[q], record.data());
      const double off = codec.distance(&queries[q], record.data()) - exact;
      out.outside += std::abs(off) > bound;
      out.bias += off / bound;
      ++count;
    }
  }
  out.error = error / spread;
  out.outside /= static_cast<double>(count);
  out.bias /= static_cast<double>(count);
  return out;
}

TEST(every_tier_decodes_closer_the_more_bits_it_has_and_keeps_to_its_bound) {
  SplitMix random(test::seed());
  for (const DistanceKind kind : kKinds) {
    for (const uint32_t dims : {100u, 128u, 264u}) {
      const Sample sample(random, kind, dims, 500);
      const auto book = trained(sample, kind, random.next());
      double last = 0;
      for (const Tier tier : kTiers) {
        const Quality quality = qualityOf(sample, TierCodec(book, tier));
        CHECK(quality.error > last);
        last = quality.error;
        CHECK(quality.outside < (tier == Tier::kWarm ? 1e-9 : 0.10));
        CHECK(std::abs(quality.bias) < 0.15);
      }
      CHECK(last < 0.5);
      CHECK(qualityOf(sample, TierCodec(book, Tier::kCool)).error < 2e-4);
      double shrinking = 1;
      for (const float bits : {2.0f, 2.5f, 3.0f, 3.5f, 4.0f, 4.5f}) {
        const double error = qualityOf(sample, TierCodec(book, Tier::kCold, bits)).error;
        CHECK(error < shrinking);
        shrinking = error;
      }
      for (const float bits : {5.0f, 6.0f, 7.0f, 8.0f}) {
        const double error = qualityOf(sample, TierCodec(book, Tier::kCool, bits)).error;
        CHECK(error < shrinking);
        shrinking = error;
      }
    }
  }
}

// distance() uses the unbiased scale, decode() the nearest one; they differ by sin^2 of the angle
// between code and residual. Both lie about the true distance, so their bounds overlap.
TEST(a_distance_agrees_with_the_decoded_vector_within_twice_the_bound) {
  SplitMix random(test::seed());
  for (const DistanceKind kind : kKinds) {
    const Sample sample(random, kind, 128, 400);
    const auto book = trained(sample, kind, random.next());
    std::vector<float> decoded(128);
    for (const Tier tier : kTiers) {
      const TierCodec codec(book, tier);
      size_t far = 0;
      // Sixteen queries in turn: all errors of one query share what is special about it.
      for (uint32_t row = 16; row < sample.rows; ++row) {
        const float* q = sample.row(row % 16);
        const std::vector<std::byte> record = encodeRow(codec, sample.row(row));
        codec.decode(record.data(), decoded.data());
        TierQuery query = queryOf(*book, q);
        const double error = std::sqrt(distance2(decoded.data(), sample.row(row), 128));
        // What decoding lost bends l2 by its own square too.
        const double slack = kind == DistanceKind::kIp ? 0 : error * error;
        const double got = codec.distance(&query, record.data());
        const double want = exactDistance(kind, q, decoded.data(), 128);
        const double bound = 2 * codec.errorBound(&query, record.data()) + 1e-5;
        far += std::abs(got - want) > bound + slack;
      }
      // One in a hundred is usual. One rotation serves all, so that rarely it is one in twenty.
      CHECK(far <= sample.rows / 10);
    }
  }
}

TEST(the_order_of_each_tier_finds_most_of_the_true_nearest) {
  SplitMix random(20260302);
  const Sample sample(random, DistanceKind::kL2, 128, 3000);
  const auto book = trained(sample, DistanceKind::kL2, 4);
  const size_t wanted[] = {395, 380, 355, 230};  // of 400, warm to archive
  size_t at = 0;
  for (const Tier tier : kTiers) {
    const TierCodec codec(book, tier);
    std::vector<std::byte> records;
    for (uint32_t row = 0; row < sample.rows; ++row) {
      const std::vector<std::byte> record = encodeRow(codec, sample.row(row));
      records.insert(records.end(), record.begin(), record.end());
    }
    size_t found = 0;
    for (uint32_t q = 0; q < 40; ++q) {
      TierQuery query = queryOf(*book, sample.row(q));
      TopRows exact;
      TopRows coded;
      exact.reset(10);
      coded.reset(10);
      for (uint32_t row = 0; row < sample.rows; ++row) {
        exact.offer(static_cast<float>(distance2(sample.row(q), sample.row(row), 128)), row);
        coded.offer(codec.distance(&query, records.data() + row * codec.recordBytes()), row);
      }
      for (const Scored& want : exact.sorted()) {
        for (const Scored& got : coded.sorted()) found += got.row == want.row;
      }
    }
    CHECK(found >= wanted[at]);
    ++at;
  }
}

TEST(a_vector_on_its_centroid_has_the_exact_distance) {
  for (const DistanceKind kind : kKinds) {
    const auto book = TierCodebook::dataFree({.dims = 72, .kind = kind, .seed = 5});
    const std::vector<float> zero(72);
    std::vector<float> q(72, 0.25f);
    std::vector<float> decoded(72, 1.0f);
    TierQuery query = queryOf(*book, q.data());
    for (const Tier tier : kTiers) {
      // Zero has no direction; the engine refuses it under cosine, the codec need not.
      if (kind == DistanceKind::kCosine) continue;
      const TierCodec codec(book, tier);
      const std::vector<std::byte> record = encodeRow(codec, zero.data());
      const double exact = exactDistance(kind, q.data(), zero.data(), 72);
      CHECK(std::abs(codec.distance(&query, record.data()) - exact) < 1e-4);
      codec.decode(record.data(), decoded.data());
      CHECK(dot(decoded.data(), decoded.data(), 72) < 1e-12);
    }
  }
  CHECK(true);
}

TEST(constant_huge_and_tiny_vectors_come_back_at_their_own_scale) {
  SplitMix random(test::seed());
  // Squared relative error, warm to archive. Of one vector in a few hundred a coordinate or two lie
  // beyond the data-free grid: such a record loses up to four times what the usual one does.
  const double limits[] = {1e-6, 2e-3, 0.1, 0.8};
  for (const bool constant : {false, true}) {
    std::vector<float> base(128);
    for (float& v : base) v = constant ? 1.0f : static_cast<float>(gaussian(random));
    const auto book = TierCodebook::dataFree({.dims = 128, .seed = random.next()});
    size_t at = 0;
    for (const Tier tier : kTiers) {
      const TierCodec codec(book, tier);
      double at_one = 0;
      for (const double scale : {1.0, 1e-30, 1e-12, 1e12, 1e30}) {
        std::vector<float> x(128);
        for (size_t i = 0; i < 128; ++i) x[i] = static_cast<float>(scale * base[i]);
        const std::vector<std::byte> record = encodeRow(codec, x.data());
        std::vector<float> back(128);
        codec.decode(record.data(), back.data());
        const double lost = distance2(x.data(), back.data(), 128) / dot(x.data(), x.data(), 128);
        CHECK(lost < limits[at]);
        if (scale == 1) at_one = lost;
        // No scale is worse than another: what differs is rounding.
        CHECK(std::abs(lost - at_one) < 0.02 * at_one + 1e-6);
      }
      ++at;
    }
  }
}

TEST(denormal_and_largest_vectors_neither_crash_nor_decode_to_nan) {
  const float extremes[] = {std::numeric_limits<float>::denorm_min(), 1e-40f,
                            std::numeric_limits<float>::min(), 1e37f,
                            std::numeric_limits<float>::max()};
  for (const DistanceKind kind : kKinds) {
    const auto book = TierCodebook::dataFree({.dims = 100, .kind = kind, .seed = 9});
    for (const float extreme : extremes) {
      for (const size_t holes : {size_t{0}, size_t{99}}) {
        std::vector<float> x(100, extreme);
        std::fill_n(x.begin(), holes, 0.0f);
        for (const Tier tier : kTiers) {
          const TierCodec codec(book, tier);
          const std::vector<std::byte> record = encodeRow(codec, x.data());
          std::vector<float> back(100);
          codec.decode(record.data(), back.data());
          size_t wrong = 0;
          for (const float v : back) wrong += std::isnan(v);
          CHECK_EQ(wrong, size_t{0});
        }
      }
    }
  }
}

TEST(a_sign_bit_is_the_sign_of_the_decoded_residual) {
  SplitMix random(test::seed());
  const Sample sample(random, DistanceKind::kL2, 104, 300);
  const auto book = trained(sample, DistanceKind::kL2, 8);
  for (const Tier tier : kCoded) {
    const TierCodec codec(book, tier);
    for (uint32_t row = 0; row < 20; ++row) {
      const std::vector<std::byte> record = encodeRow(codec, sample.row(row));
      std::vector<float> values(104);
      codec.grid().unpack(record.data() + kTierSideBytes, values.data());
      uint64_t words[2];
      codec.signWords(record.data(), words);
      size_t wrong = 0;
      for (size_t i = 0; i < 104; ++i) {
        wrong += ((words[i / 64] >> (i % 64)) & 1) != (values[i] >= 0);
      }
      CHECK_EQ(wrong, size_t{0});
      CHECK_EQ(words[1] >> 40, uint64_t{0});
    }
  }
  // The same at two bits, where the leading coordinates have an amplitude and the rest none.
  const TierCodec two(book, Tier::kCold, 2);
  CHECK_EQ(two.grid().shape().planes, 1u);
  const std::vector<std::byte> record = encodeRow(two, sample.row(0));
  std::vector<float> values(104);
  two.grid().unpack(record.data() + kTierSideBytes, values.data());
  uint64_t words[2];
  two.signWords(record.data(), words);
  for (size_t i = 0; i < 104; ++i) {
    CHECK_EQ((words[i / 64] >> (i % 64)) & 1, uint64_t{values[i] >= 0});
  }
}

TEST(a_cold_record_keeps_the_one_coordinate_that_lies_far_out) {
  SplitMix random(test::seed());
  const auto book = TierCodebook::dataFree({.dims = 256, .seed = random.next()});
  const TierCodec codec(book, Tier::kCold);
  for (int turn = 0; turn < 20; ++turn) {
    std::vector<float> rotated(256);
    for (float& x : rotated) x = static_cast<float>(gaussian(random));
    const size_t far = random.next() % 256;
    rotated[far] = 6.0f;
    std::vector<std::byte> record(codec.recordBytes());
    codec.encode(nullptr, rotated.data(), record.data());
    CHECK_EQ(codec.outlierOf(record.data()).coordinate, far);
    std::vector<float> decoded(256);
    codec.decode(record.data(), decoded.data());
    std::vector<float> turned(256);
    book->rotation().apply(decoded.data(), turned.data());
    CHECK(std::abs(turned[far] - 6.0f) < 0.3f);  // the grid alone ends at 3.2
  }
}

// Under AddressSanitizer (make verify) a read out of range ends the run.
TEST(any_bytes_decode_without_reading_out_of_range) {
  SplitMix random(test::seed());
  for (const uint32_t dims : {1u, 3u, 9u, 100u, 784u}) {
    const Sample sample(random, DistanceKind::kL2, dims, 100);
    for (const DistanceKind kind : kKinds) {
      const auto book = trained(sample, kind, random.next());
      TierQuery query = queryOf(*book, sample.row(0));
      for (const Tier tier : kTiers) {
        const TierCodec codec(book, tier);
        for (int turn = 0; turn < 50; ++turn) {
          std::vector<std::byte> record(codec.recordBytes());
          const bool full = turn == 0;
          for (std::byte& b : record) b = static_cast<std::byte>(full ? 255 : random.next());
          std::vector<float> out(dims);
          codec.decode(record.data(), out.data());
          (void)codec.distance(&query, record.data());
          (void)codec.errorBound(&query, record.data());
          if (tier == Tier::kWarm) continue;
          std::vector<uint64_t> words(dims / 64 + 1);
          codec.signWords(record.data(), words.data());
          CHECK(codec.centroidOf(record.data()) < book->centroidCount());
        }
      }
    }
  }
}

TEST(fifty_vectors_and_none_at_all_give_a_codebook_that_works) {
  SplitMix random(test::seed());
  for (const uint32_t rows : {0u, 1u, 50u}) {
    const Sample sample(random, DistanceKind::kL2, 96, rows);
    const auto book = trained(sample, DistanceKind::kL2, 3);
    CHECK_EQ(book->centroidCount(), 1u);
    CHECK_EQ(book->sampleCount(), uint64_t{rows});
    const Sample later(random, DistanceKind::kL2, 96, 20);
    const TierCodec codec(book, Tier::kCool);
    for (uint32_t row = 0; row < later.rows; ++row) {
      std::vector<float> back(96);
      codec.decode(encodeRow(codec, later.row(row)).data(), back.data());
      const double norm2 = dot(later.row(row), later.row(row), 96);
      CHECK(distance2(later.row(row), back.data(), 96) < 1e-3 * norm2);
    }
  }
}

TEST(training_lowers_the_distortion_and_gives_the_same_bytes_for_the_same_seed) {
  SplitMix random(test::seed());
  const Sample sample(random, DistanceKind::kL2, 64, 2000);
  const auto first = trained(sample, DistanceKind::kL2, 77);
  const auto again = trained(sample, DistanceKind::kL2, 77);
  const auto other = trained(sample, DistanceKind::kL2, 78);
  CHECK(first->centroidCount() > 10);
  CHECK(first->distortion() < 0.5f);  // ten clusters explain three quarters of the variance
  CHECK(first->encode() == again->encode());
  CHECK(first->encode() != other->encode());
  for (const Tier tier : kTiers) {
    CHECK(encodeRow(TierCodec(first, tier), sample.row(5)) ==
          encodeRow(TierCodec(again, tier), sample.row(5)));
  }
}

// Without training, which compares by kernels: their float sums differ between machines.
TEST(the_record_of_a_vector_has_the_same_bytes_on_every_machine) {
  SplitMix random(20260402);
  std::vector<std::byte> records;
  for (const uint32_t dims : {60u, 128u, 300u}) {
    const auto book = TierCodebook::dataFree({.dims = dims, .seed = 8});
    std::vector<float> x(dims);
    for (int row = 0; row < 40; ++row) {
      for (float& value : x) {
        double sum = -6;  // twelve uniform numbers less six: no library call in it
        for (int part = 0; part < 12; ++part) sum += random.uniform();
        value = static_cast<float>(sum * (1 + row));
      }
      for (const Tier tier : kTiers) {
        const std::vector<std::byte> record = encodeRow(TierCodec(book, tier), x.data());
        records.insert(records.end(), record.begin(), record.end());
      }
    }
  }
  CHECK_EQ(crc32c(records), 3068790759u);
}

TEST(a_codebook_survives_its_bytes_and_every_changed_byte_is_noticed) {
  SplitMix random(test::seed());
  const Sample sample(random, DistanceKind::kIp, 20, 300);
  const auto book = trained(sample, DistanceKind::kIp, 6);
  std::vector<std::byte> bytes = book->encode();
  std::shared_ptr<const TierCodebook> read;
  REQUIRE_OK(TierCodebook::decode(bytes, &read));
  CHECK_EQ(read->id(), uint64_t{3});
  CHECK_EQ(read->dims(), 20u);
  CHECK_EQ(read->kind(), DistanceKind::kIp);
  CHECK_EQ(read->centroidCount(), book->centroidCount());
  CHECK(read->encode() == bytes);
  const TierCodec wrote(book, Tier::kCold);
  const TierCodec reads(read, Tier::kCold);
  CHECK(encodeRow(wrote, sample.row(1)) == encodeRow(reads, sample.row(1)));
  for (size_t i = 0; i < bytes.size(); ++i) {
    const std::byte kept = bytes[i];
    bytes[i] ^= static_cast<std::byte>(1 + random.next() % 255);
    CHECK_EQ(TierCodebook::decode(bytes, &read).code(), Code::kCorrupt);
    CHECK(read == nullptr);
    bytes[i] = kept;
  }
  for (size_t size = 0; size < bytes.size(); ++size) {
    CHECK_EQ(TierCodebook::decode(Bytes(bytes).first(size), &read).code(), Code::kCorrupt);
  }
  bytes.push_back(std::byte{0});
  CHECK_EQ(TierCodebook::decode(bytes, &read).code(), Code::kCorrupt);
}

}  // namespace
}  // namespace rve
