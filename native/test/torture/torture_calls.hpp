// The calls of one tortured life: a function of the life's seed and of the state it began with, so
// that the parent can tell, from the number of acknowledgements alone, what the killed child had
// sent.
#pragma once
#include "test/crash/model.hpp"
#include "test/sim/sim_env.hpp"

namespace rve::test {

class TortureCalls {
 public:
  // `model` must show the state that the life began with; calls are added to it as they are made.
  TortureCalls(uint64_t seed, Model* model);
  // The next call, added to the model; *effect is what the engine must answer.
  ModelCall next(State::Effect* effect);

 private:
  ModelCall insert();
  std::vector<uint64_t> someIds(uint32_t count_max);

  SimRng rng_;
  Model* model_;
  uint32_t boot_;
  uint32_t serial_;
  uint64_t atom_ = 1;
  uint64_t sequence_ = 0;
};

}  // namespace rve::test
