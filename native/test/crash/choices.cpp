#include "test/crash/choices.hpp"

namespace rve::test {

namespace {

constexpr Fate kTornFates[] = {Fate::kFirstHalf, Fate::kSecondHalf, Fate::kZeroed, Fate::kGarbage};

class Chooser {
 public:
  Chooser(const SimDisk& disk, SimRng& rng)
      : disk_(disk), rng_(rng), count_(disk.pendingSectors().size()) {}

  CrashChoice all(Fate fate) {
    CrashChoice choice;
    choice.sectors.assign(count_, fate);
    choice.sizes = rng_.chance(70);
    choice.names = static_cast<uint32_t>(rng_.below(disk_.pendingNames() + 1));
    return choice;
  }

  CrashChoice subset(uint64_t bits) {
    CrashChoice choice = all(Fate::kLost);
    for (size_t i = 0; i < count_; ++i) {
      if (bits >> i & 1) choice.sectors[i] = Fate::kApplied;
    }
    return choice;
  }

  // Each sector version kept with a probability that is itself drawn, so that sparse and dense sets
  // both come.
  CrashChoice random() {
    const auto percent = static_cast<uint32_t>(rng_.below(101));
    CrashChoice choice = all(Fate::kLost);
    for (Fate& fate : choice.sectors) fate = rng_.chance(percent) ? Fate::kApplied : Fate::kLost;
    return choice;
  }

  CrashChoice torn() {
    CrashChoice choice = rng_.chance(60) ? all(Fate::kApplied) : random();
    if (count_ > 0) choice.sectors[rng_.below(count_)] = kTornFates[rng_.below(4)];
    return choice;
  }

  CrashChoice mixed() {
    CrashChoice choice = all(Fate::kLost);
    for (Fate& fate : choice.sectors) {
      fate = rng_.chance(40) ? Fate::kApplied : static_cast<Fate>(rng_.below(6));
    }
    return choice;
  }

  size_t count() const { return count_; }

 private:
  const SimDisk& disk_;
  SimRng& rng_;
  size_t count_;
};

}  // namespace

std::vector<CrashChoice> crashChoices(const SimDisk& disk, const ChoiceBudget& budget,
                                      SimRng& rng) {
  Chooser chooser(disk, rng);
  std::vector<CrashChoice> choices;
  const size_t count = chooser.count();
  if (count > 0 && count <= budget.exhaustive_sectors_max) {
    for (uint64_t bits = 0; bits < uint64_t{1} << count; ++bits) {
      choices.push_back(chooser.subset(bits));
    }
  } else if (count > 0) {
    // Prefixes that end in the last write; earlier ones were tried when their write was the last.
    const uint32_t last_write = disk.pendingSectors().back().write;
    size_t begin = count;
    while (begin > 0 && disk.pendingSectors()[begin - 1].write == last_write) --begin;
    const size_t span = count - begin;
    const size_t step = span > budget.prefixes_max ? span / budget.prefixes_max + 1 : 1;
    for (size_t end = begin; end < count; end += step) {
      CrashChoice choice = chooser.all(Fate::kApplied);
      for (size_t i = end; i < count; ++i) choice.sectors[i] = Fate::kLost;
      choices.push_back(choice);
    }
    for (uint32_t i = 0; i < budget.random_subsets; ++i) choices.push_back(chooser.random());
    for (uint32_t i = 0; i < budget.singles; ++i) {
      CrashChoice only = chooser.all(Fate::kLost), but = chooser.all(Fate::kApplied);
      only.sectors[rng.below(count)] = Fate::kApplied;
      but.sectors[rng.below(count)] = Fate::kLost;
      choices.push_back(only);
      choices.push_back(but);
    }
  }
  for (uint32_t i = 0; count > 0 && i < budget.torn; ++i) choices.push_back(chooser.torn());
  for (uint32_t i = 0; count > 0 && i < budget.mixed; ++i) choices.push_back(chooser.mixed());
  choices.push_back(chooser.all(Fate::kLost));
  choices.push_back(chooser.all(Fate::kApplied));
  return choices;
}

CrashChoice randomChoice(const SimDisk& disk, SimRng& rng) {
  Chooser chooser(disk, rng);
  switch (rng.below(5)) {
    case 0: return chooser.all(Fate::kLost);
    case 1: return chooser.all(Fate::kApplied);
    case 2: return chooser.torn();
    case 3: return chooser.mixed();
    default: return chooser.random();
  }
}

}  // namespace rve::test
