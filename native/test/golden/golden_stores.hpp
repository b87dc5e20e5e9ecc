// The golden stores: small memories made by the real engine from a seed, under a fixed clock, and
// what must be read from them, which the maker knows because it asked for it, not because the
// engine said so. Only the vectors of stores in tiers come from the engine: they are near to what
// was given, and the files say for good how near.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "rve/engine.hpp"

namespace rve::test {

struct GoldenRecord {
  int64_t time_ms = 0;
  std::string source, label;
  std::vector<uint8_t> payload;
  std::vector<float> vector;  // as given; cosine stores the unit vector and the norm
  std::vector<float> stored;  // of a store in tiers: what the engine that made it reads back
};

struct GoldenStore {
  std::string name;
  Metric metric = Metric::kCosine;
  uint32_t dimensions = 0;
  std::vector<std::byte> image;             // the whole file
  std::map<uint64_t, GoldenRecord> records;  // what is alive, by id
};

// Names, in the order in which a reader may want to meet them.
const std::vector<std::string>& goldenNames();
// Makes one. The bytes are a function of the name alone, given the scalar kernels
// (RVE_KERNELS=scalar) and a compiler that does not fuse multiplications and additions (x86-64).
// Requires: the name is known.
GoldenStore makeGolden(const std::string& name);

// Whether its vectors are coded: not all of them read as they were given.
bool goldenIsCoded(const std::string& name);

// The records as text, one a line; see golden_stores.cpp. Payloads stand as length and CRC-32C.
std::string textOfRecords(const GoldenStore& store);

}  // namespace rve::test
