// From a wanted recall to the ef of a walk: each segment is measured in the background, since the
// same ef finds 0.999 of one and 0.9 of another.
//
// Measured is what a query sees: the k = 10 nearest by the best bytes that the segment stores,
// against a look at all of its rows. Where rows stand in lossy tiers without their originals, those
// bytes are the codes: what coding lost stays lost at any ef, and no curve knows of it.
//
// A curve lives in memory, with its segment; after an open it is measured again.
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>

namespace rve {

class Searcher;
class Segment;
struct SegmentContext;

inline constexpr float kRecallMin = 0.5f, kRecallMax = 0.999f;  // that a query may ask for
inline constexpr uint32_t kCalibratedK = 10;
inline constexpr uint32_t kCalibratedEf[] = {12, 16, 24, 32, 48, 64, 96, 128, 192, 256};

struct RecallCurve {
  uint32_t points = 0;  // measured of kCalibratedEf; 0: too few rows could be read
  // At kCalibratedEf, never falling: the mean less two standard errors, of half a row at least, so
  // that a lucky sample does not promise too much.
  float recall[std::size(kCalibratedEf)] = {};
};

// The smallest ef measured that reaches `recall`, or the most that any does; scaled for
// k > kCalibratedK. Without a curve (null, or one without points) a cautious guess. A few
// compares.
uint32_t efForRecall(const RecallCurve* curve, float recall, uint32_t k);

// Measures a linked segment: up to 64 of its rows are asked for as if they had never been inserted.
// False: keep_going said so, and *out has no meaning. `searcher` leaves no heat. Deterministic but
// for rows that die meanwhile. Cost: one read of all vectors, about 2^30 multiply-adds for the
// truth, a walk per row and ef; keep_going is asked before each walk and each 256 rows.
bool calibrateRecall(const std::shared_ptr<const Segment>& segment, const SegmentContext& context,
                     Searcher* searcher, const std::function<bool()>& keep_going,
                     RecallCurve* out);

}  // namespace rve
