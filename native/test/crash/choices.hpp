// Which states a power cut may leave at one moment: the fates to try for what is pending on a
// SimDisk.
#pragma once
#include <vector>

#include "test/sim/sim_disk.hpp"

namespace rve::test {

struct ChoiceBudget {
  uint32_t exhaustive_sectors_max = 5;  // up to that many pending sector versions: every subset
  uint32_t prefixes_max = 12;           // cuts in issue order, ending in the last write
  uint32_t random_subsets = 5;
  uint32_t singles = 2;                 // "only one" and "all but one", that many of each
  uint32_t torn = 4;  // one sector half, zero or garbage, the others kept or random
  uint32_t mixed = 2;                   // every sector its own random fate
};

// Every prefix (of writes and of their sectors) as far as the budget goes, subsets, torn sectors.
// Sizes and names: both extremes are drawn, names as a random prefix. Never empty: the last choice
// keeps everything.
std::vector<CrashChoice> crashChoices(const SimDisk& disk, const ChoiceBudget& budget, SimRng& rng);

// One choice at random, for the next life.
CrashChoice randomChoice(const SimDisk& disk, SimRng& rng);

}  // namespace rve::test
