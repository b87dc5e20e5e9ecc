// The oracle's idea of a memory: plain maps, and the calls that were made, in order.
//
// State S(k) is the memory after the first k calls. After a crash the store must show exactly one
// S(k), with floor <= k <= calls made, and k at the edge of an atom (what shares a group stands or
// falls together). Everything that a recovery may be asked about (records, known sequences, next
// id) follows from that k.
#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "rve/engine.hpp"

namespace rve::test {

inline constexpr uint32_t kModelDimensions = 4;

// What get() and scan() must give back for one id.
struct ModelRecord {
  std::vector<float> vector;
  int64_t time_ms = 0;
  std::string source, label;
  bool has_payload = false;
  std::vector<uint8_t> payload;
  uint64_t hash = 0;  // of id and everything above; set by State
};

// A vector that no other serial has: four coordinates on a grid of 1/16, exact in f32 and f16,
// never all zero.
std::vector<float> vectorOfSerial(uint32_t serial);

// Hash of a record with its vector on the 1/16 grid, so that a unit vector times its norm compares
// equal. A coordinate off the grid by more than 1/100 gives a hash that matches nothing.
uint64_t recordHash(uint64_t id, const ModelRecord& record);
ModelRecord modelRecordOf(const Record& record);

enum class CallKind : uint8_t { kInsert, kForget, kForgetSource };

struct ModelRow {
  bool has_id = false;
  uint64_t id = 0;
  bool has_sequence = false;
  uint64_t sequence = 0;
  ModelRecord record;
};

// One call, as submitted.
struct ModelCall {
  CallKind kind = CallKind::kInsert;
  uint64_t atom = 0;  // calls of one atom are all or nothing
  std::vector<ModelRow> rows;
  std::string source;  // kInsert with sequences, kForgetSource
  uint32_t boot = 0;
  std::vector<uint64_t> ids;  // kForget
};

using MarkKey = std::pair<std::string, uint32_t>;  // source, boot

struct State {
  std::map<uint64_t, ModelRecord> live;
  std::map<MarkKey, std::set<uint64_t>> known;
  uint64_t next_id = 0;
  uint64_t hash = 0;  // xor of the live records' hashes

  // What the call does here: ids stored per row (-1: known sequence), or the count of records
  // forgotten.
  struct Effect {
    std::vector<int64_t> ids;
    uint64_t forgotten = 0;
  };
  Effect apply(const ModelCall& call);
  static State of(const std::vector<Record>& records, uint64_t next_id);

 private:
  void put(uint64_t id, const ModelRecord& record);
  bool drop(uint64_t id);
};

class Model {
 public:
  // Starts anew from what a store holds (its known sequences are not visible, and count as none).
  void begin(const std::vector<Record>& records, uint64_t next_id);
  // The calls made so far, counted from the beginning of time.
  uint64_t made() const { return base_index_ + calls_.size(); }
  const State& now() const { return now_; }
  uint64_t floor() const { return floor_; }            // survives power loss
  uint64_t killFloor() const { return kill_floor_; }   // survives SIGKILL

  // Adds a call; returns its number (1 is the first) and what it does.
  uint64_t add(ModelCall call, State::Effect* effect);
  // A call that was refused whole (kNoSpace): as if never made. Calls behind it shift into its
  // place.
  void withdraw(uint64_t number);
  // Call `number`, and with it all before, was promised to survive.
  void acked(uint64_t number, bool survives_power);

  // S(k) for floor() <= k <= made(). Cost: the calls between.
  State stateAt(uint64_t k) const;
  // Which S(k), k in [floor, made] and at an atom's edge, have this hash. Calls that leave the
  // records as they were make several look alike: low is the first, high the last.
  struct Match {
    uint64_t low = 0, high = 0;
  };
  bool find(uint64_t hash, uint64_t floor, Match* match) const;
  // The state that explains a match: records of S(high), known sequences of S(low) (those for
  // certain).
  State stateOf(const Match& match) const;
  // After recovery showed `match`: what came behind never happened. `settled`: it cannot be lost
  // again (the device holds nothing else); else the floor stays where it is.
  void recovered(const Match& match, bool settled, uint64_t next_id);
  // A sequence that a recovery may or may not have kept: it matched states that differ in it.
  bool doubtful(const MarkKey& key, uint64_t sequence) const;
  // Calls number k + 1 and later, as submitted: what a client that saw no acknowledgement sends
  // again.
  std::vector<ModelCall> callsAfter(uint64_t k) const;

 private:
  void trim();
  void replay(uint64_t number, State* state) const;

  State base_;                   // S(base_index_)
  uint64_t base_index_ = 0;
  std::vector<ModelCall> calls_; // calls base_index_ + 1 ...
  std::vector<uint64_t> hashes_; // of S after each of calls_
  State now_;
  uint64_t floor_ = 0, kill_floor_ = 0;
  std::map<MarkKey, std::set<uint64_t>> doubtful_;
  // What a recovery that showed S(number) found the next id to be: of the states that look alike it
  // may have been an earlier one, before ids that nobody was told of.
  std::map<uint64_t, uint64_t> next_ids_;
};

// What differs between a scan and a state, in words; at most a few lines.
std::string explainDifference(const std::vector<Record>& got, const State& wanted);

}  // namespace rve::test
