// One seeded history of a store: up to twelve lives of writing, each ended by a power cut, a
// SIGKILL, a failed device or a clean close; and at many moments of each life, all the states that
// a cut right there may leave.
#pragma once
#include <string>
#include <unordered_set>
#include <vector>

#include "test/crash/checker.hpp"
#include "test/crash/choices.hpp"

namespace rve::test {

struct WorldOptions {
  uint32_t lives = 12;
  uint32_t steps_max = 40;         // a life makes 5 ... steps_max steps
  uint32_t moment_percent = 25;    // of the moments (after each changing disk call) are visited
  uint32_t probe_percent = 12;     // of the states are written to afterwards
  uint32_t deep_percent = 12;      // of the states are checked deeply
  uint32_t kill_percent = 25;      // of the visited moments also as SIGKILL leaves them
  // Of the visited moments without pending writes also with a rotten slot.
  uint32_t rot_percent = 25;
  uint32_t fault_percent = 12;     // of the lives meet a device fault
  bool edits_in_flight = true;     // calls are made and committed while freeze and compaction write
  ChoiceBudget choices;
};

// What was done; sums over seeds add up.
struct Tally {
  // Different images that were opened and compared (an image counts once a history).
  uint64_t states = 0;
  uint64_t repeats = 0;    // images checked again because more had been promised meanwhile
  uint64_t kills = 0, rots = 0, probes = 0;
  uint64_t moments = 0, lives = 0, calls = 0, faults = 0;
  uint64_t freezes = 0, links = 0, compactions = 0, recompressions = 0, checkpoints = 0;
  void add(const Tally& other);
};

class World {
 public:
  World(const Setup& setup, const WorldOptions& options, uint64_t seed);
  // Runs the whole history, or until something breaks, or until `states_max` states were checked.
  void run(uint64_t states_max);
  const Tally& tally() const { return tally_; }
  // Empty, or what broke: the sentence, where in the history, and the last disk calls.
  const std::string& violation() const { return violation_; }

 private:
  enum class End { kClose, kCut, kKill };
  // A moment of the life that may become the next one's beginning.
  struct Captured {
    bool some = false;
    Model model;
    CrashChoice choice;
  };

  void runLife();
  void planFault();
  bool open();
  void endLife();
  void step();
  void stepInsert();
  void stepForget();
  void stepMaintain();
  void redeliverLost();
  void editInFlight();
  void afterFault();

  void onChange(SimCall call);
  void capture();
  void visit();
  void visitCuts();
  void visitKill();
  void visitRot();
  bool fresh(uint64_t image, uint64_t floor);
  void fail(const std::string& what, const SimDisk& disk);
  bool broken() const { return !violation_.empty(); }

  ModelCall insertNew();
  ModelCall insertSequence();
  ModelCall insertGiven();
  std::vector<uint64_t> someIds(uint32_t count_max);
  ModelRow row(const std::string& source);

  const Setup& setup_;
  WorldOptions options_;
  Setup life_setup_;  // setup_ with this life's durability
  Checker checker_;
  uint64_t seed_;
  SimRng rng_;
  SimClock clock_;
  SimRng engine_rng_;
  SimDisk disk_, trial_, captured_disk_;
  Model model_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Driver> driver_;
  Captured captured_;
  uint64_t captures_ = 0;
  uint64_t heat_now_ms_ = 0;  // active time as the engine is told
  bool created_ = false;
  bool in_maintain_ = false;
  bool faulty_ = false;       // this life has a planned fault
  bool watching_ = false;     // moments are visited
  uint32_t next_serial_ = 1;
  std::vector<ModelCall> lost_;  // sent with sequences and never acknowledged
  struct Sender {
    std::string source;
    uint32_t boot = 0;
    uint64_t next_sequence = 0;
    std::vector<uint64_t> late;  // skipped, to be sent out of order
  };
  std::vector<Sender> senders_;
  std::unordered_set<uint64_t> images_, checked_;
  Tally tally_;
  uint64_t states_max_ = 0;
  uint32_t life_ = 0, step_ = 0;
  std::string doing_;
  std::string violation_;
};

}  // namespace rve::test
