// Recall of the tier codecs by themselves: every vector in one tier, no originals, no graph, an
// exhaustive scan with the full-precision query against the exact ten nearest.
//
//   tier_recall FOLDER KIND DIMS [QUERIES] [TIER:BITS ...]
//
// The codebook is trained on the first 100,000 rows. FOLDER holds base.f32, query.f32 and truth.i32
// (100 rows a query, nearest first), as bench/benches/tiers.mjs writes them; KIND is l2 or cosine.
// Without a list the tiers at their defaults. Prints one line a tier. Bytes are of the whole record:
// code, factors, noise, number of the centroid. The codebook is shared, so it stands apart. Rates are
// of thread CPU time.
#include <ctime>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "codecs/tier_codec.hpp"
#include "kernels/kernels.hpp"
#include "kernels/top_rows.hpp"

namespace rve {
namespace {

constexpr size_t kTruthRows = 100;
constexpr size_t kNearest = 10;
constexpr size_t kTrainRows = 100'000;

double cpuSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

template <typename T>
bool readAll(const std::string& path, std::vector<T>* out) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return false;
  std::fseek(file, 0, SEEK_END);
  out->resize(static_cast<size_t>(std::ftell(file)) / sizeof(T));
  std::rewind(file);
  const size_t got = std::fread(out->data(), sizeof(T), out->size(), file);
  std::fclose(file);
  return got == out->size() && got > 0;
}

struct Set {
  uint32_t dims = 0;
  DistanceKind kind = DistanceKind::kL2;
  size_t queries = 0;
  std::vector<float> base;
  std::vector<float> query;
  std::vector<int32_t> truth;

  size_t rows() const { return base.size() / dims; }
};

void measure(const Set& set, const std::shared_ptr<const TierCodebook>& book, Tier tier,
             float bits, const char* name) {
  const TierCodec codec(book, tier, bits);
  const size_t bytes = codec.recordBytes();
  const TierRotation& rotation = book->rotation();
  std::vector<std::byte> records(set.rows() * bytes);
  std::vector<float> rotated(rotation.paddedDims());
  const double encode_start = cpuSeconds();
  for (size_t row = 0; row < set.rows(); ++row) {
    const float* x = set.base.data() + row * set.dims;
    rotation.apply(x, rotated.data());
    codec.encode(x, rotated.data(), records.data() + row * bytes);
  }
  const double encode = cpuSeconds() - encode_start;
  double noise = 0;  // what decoding loses, as a share of the variance about the centroid
  double spread = 0;
  std::vector<float> decoded(set.dims);
  std::vector<float> centred(rotation.paddedDims());
  for (size_t row = 0; row < set.rows(); row += 100) {
    const float* x = set.base.data() + row * set.dims;
    const std::byte* record = records.data() + row * bytes;
    codec.decode(record, decoded.data());
    rotation.apply(x, rotated.data());
    const float* c = book->centroid(tier == Tier::kWarm ? 0 : codec.centroidOf(record));
    for (size_t i = 0; i < centred.size(); ++i) centred[i] = rotated[i] - book->mean()[i];
    noise += kernels().l2F32(x, decoded.data(), set.dims);
    spread += kernels().l2F32(centred.data(), c, centred.size());
  }
  size_t found = 0;
  size_t outside = 0;
  size_t checked = 0;
  TierQuery query;
  TopRows top;
  const double scan_start = cpuSeconds();
  for (size_t q = 0; q < set.queries; ++q) {
    const float* plain = set.query.data() + q * set.dims;
    rotation.apply(plain, rotated.data());
    prepareTierQuery(*book, plain, rotated.data(), &query);
    top.reset(kNearest);
    for (size_t row = 0; row < set.rows(); ++row) {
      top.offer(codec.distance(&query, records.data() + row * bytes),
                static_cast<uint32_t>(row));
    }
    for (const Scored& hit : top.sorted()) {
      for (size_t i = 0; i < kNearest; ++i) {
        found += set.truth[q * kTruthRows + i] == static_cast<int32_t>(hit.row);
      }
      // The bound, where it matters: at the nearest rows.
      const float* x = set.base.data() + size_t{hit.row} * set.dims;
      double dot = 0;
      double l2 = 0;
      for (size_t i = 0; i < set.dims; ++i) {
        dot += double{plain[i]} * x[i];
        l2 += (double{plain[i]} - x[i]) * (double{plain[i]} - x[i]);
      }
      const double exact = set.kind == DistanceKind::kL2 ? l2 : -dot;
      const std::byte* record = records.data() + size_t{hit.row} * bytes;
      outside += std::abs(codec.distance(&query, record) - exact) >
                 codec.errorBound(&query, record);
      ++checked;
    }
  }
  const double scan = cpuSeconds() - scan_start;
  const double pairs = static_cast<double>(set.rows()) * static_cast<double>(set.queries);
  std::printf("%-8s %6.3f bits/dim  %5zu B  %6.2fx  recall@10 %.4f  encode %7.0f/s  "
              "distance %5.0f ns  outside bound %.1f %%  %.1f dB\n",
              name, 8.0 * static_cast<double>(bytes) / set.dims, bytes,
              4.0 * set.dims / static_cast<double>(bytes),
              static_cast<double>(found) / static_cast<double>(set.queries * kNearest),
              static_cast<double>(set.rows()) / encode, 1e9 * scan / pairs,
              100.0 * static_cast<double>(outside) / static_cast<double>(checked),
              10 * std::log10(spread / noise));
  std::fflush(stdout);
}

int run(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "Usage: tier_recall FOLDER l2|cosine DIMS [QUERIES] [TIER:BITS ...]\n");
    return 2;
  }
  const std::string folder = argv[1];
  Set set;
  set.kind = std::strcmp(argv[2], "cosine") == 0 ? DistanceKind::kCosine : DistanceKind::kL2;
  set.dims = static_cast<uint32_t>(std::atoi(argv[3]));
  if (!readAll(folder + "/base.f32", &set.base) || !readAll(folder + "/query.f32", &set.query) ||
      !readAll(folder + "/truth.i32", &set.truth)) {
    std::printf("Skipped: no set at %s\n", folder.c_str());
    return 0;
  }
  set.queries = set.query.size() / set.dims;
  if (argc > 4 && std::atoi(argv[4]) > 0) {
    set.queries = std::min(set.queries, static_cast<size_t>(std::atoi(argv[4])));
  }
  const TierCodebookOptions options{.id = 1, .dims = set.dims, .kind = set.kind, .seed = 7};
  const double train_start = cpuSeconds();
  const size_t train_rows = std::min(kTrainRows, set.rows());
  const auto trained = TierCodebook::train(options, set.base.data(), train_rows);
  const double train = cpuSeconds() - train_start;
  std::printf("%s: %zu x %u, %zu queries, kernels %s\n", folder.c_str(), set.rows(), set.dims,
              set.queries, kernels().name);
  std::printf("codebook: %u centroids, %zu B, trained on %zu rows in %.3f s, distortion %.3f\n",
              trained->centroidCount(), trained->encode().size(), train_rows, train,
              trained->distortion());
  const struct {
    const char* name;
    Tier tier;
  } tiers[] = {{"warm", Tier::kWarm},
               {"cool", Tier::kCool},
               {"cold", Tier::kCold},
               {"archive", Tier::kArchive}};
  if (argc > 5) {
    for (int i = 5; i < argc; ++i) {
      const std::string text = argv[i];
      const std::string name = text.substr(0, text.find(':'));
      const float bits = name == text ? 0 : std::strtof(text.c_str() + name.size() + 1, nullptr);
      for (const auto& entry : tiers) {
        if (name == entry.name) measure(set, trained, entry.tier, bits, entry.name);
      }
    }
    return 0;
  }
  for (const auto& entry : tiers) measure(set, trained, entry.tier, 0, entry.name);
  std::printf("without training:\n");
  const auto plain = TierCodebook::dataFree(options);
  for (const auto& entry : tiers) {
    if (entry.tier != Tier::kWarm) measure(set, plain, entry.tier, 0, entry.name);
  }
  return 0;
}

}  // namespace
}  // namespace rve

int main(int argc, char** argv) { return rve::run(argc, argv); }
