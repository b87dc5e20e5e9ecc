#include "test/crash/model.hpp"

#include <algorithm>
#include <cmath>

#include "base/assert.hpp"

namespace rve::test {

namespace {

constexpr float kGrid = 16.0f;

uint64_t mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9fb21c651e98df25ull;
  return hash ^ (hash >> 29);
}

uint64_t mixBytes(uint64_t hash, const void* data, size_t bytes) {
  const auto* at = static_cast<const unsigned char*>(data);
  for (size_t i = 0; i < bytes; ++i) hash = (hash ^ at[i]) * 0x100000001b3ull;
  return mix(hash, bytes);
}

}  // namespace

std::vector<float> vectorOfSerial(uint32_t serial) {
  // Seven bits a coordinate keep every value in +-[1/16, 4]: exact in f16, and never zero. 2^28
  // serials.
  std::vector<float> vector(kModelDimensions);
  uint32_t bits = (serial * 2654435761u) & 0x0fffffffu;
  for (float& v : vector) {
    const int step = static_cast<int>(bits & 127u);
    v = static_cast<float>(step < 64 ? step - 64 : step - 63) / kGrid;
    bits >>= 7;
  }
  return vector;
}

uint64_t recordHash(uint64_t id, const ModelRecord& record) {
  uint64_t hash = mix(0x243f6a8885a308d3ull, id);
  for (const float v : record.vector) {
    const float scaled = v * kGrid;
    const float nearest = std::nearbyint(scaled);
    const bool on_grid = std::fabs(scaled - nearest) < 0.01f * kGrid;
    hash =
        mix(hash, on_grid ? static_cast<uint64_t>(static_cast<int64_t>(nearest)) : 0xdeadull << 40);
  }
  hash = mix(hash, static_cast<uint64_t>(record.time_ms));
  hash = mixBytes(hash, record.source.data(), record.source.size());
  hash = mixBytes(hash, record.label.data(), record.label.size());
  hash = mix(hash, record.has_payload ? 1 : 0);
  return mixBytes(hash, record.payload.data(), record.payload.size());
}

ModelRecord modelRecordOf(const Record& record) {
  ModelRecord out;
  out.vector = record.vector;
  out.time_ms = record.time_ms;
  out.source = record.source;
  out.label = record.label;
  out.has_payload = record.has_payload;
  out.payload = record.payload;
  out.hash = recordHash(record.id, out);
  return out;
}

void State::put(uint64_t id, const ModelRecord& record) {
  drop(id);
  ModelRecord& kept = live[id] = record;
  kept.hash = recordHash(id, kept);
  hash ^= kept.hash;
}

bool State::drop(uint64_t id) {
  const auto found = live.find(id);
  if (found == live.end()) return false;
  hash ^= found->second.hash;
  live.erase(found);
  return true;
}

State State::of(const std::vector<Record>& records, uint64_t next_id) {
  State state;
  for (const Record& record : records) state.put(record.id, modelRecordOf(record));
  state.next_id = next_id;
  return state;
}

State::Effect State::apply(const ModelCall& call) {
  Effect effect;
  switch (call.kind) {
    case CallKind::kInsert:
      for (const ModelRow& row : call.rows) {
        if (row.has_sequence && !known[{call.source, call.boot}].insert(row.sequence).second) {
          effect.ids.push_back(-1);
          continue;
        }
        const uint64_t id = row.has_id ? row.id : next_id;
        next_id = std::max(next_id, id + 1);
        put(id, row.record);
        effect.ids.push_back(static_cast<int64_t>(id));
      }
      break;
    case CallKind::kForget:
      for (const uint64_t id : call.ids) effect.forgotten += drop(id);
      break;
    case CallKind::kForgetSource:
      for (auto it = live.begin(); it != live.end();) {
        const uint64_t id = it->first;
        const bool match = it->second.source == call.source;
        ++it;
        if (match) effect.forgotten += drop(id);
      }
      break;
  }
  return effect;
}

void Model::begin(const std::vector<Record>& records, uint64_t next_id) {
  *this = Model();
  base_ = now_ = State::of(records, next_id);
}

uint64_t Model::add(ModelCall call, State::Effect* effect) {
  *effect = now_.apply(call);
  // Ids once given stay with the call, so that replaying it from another state gives the same.
  for (size_t i = 0; i < call.rows.size(); ++i) {
    if (effect->ids[i] < 0) continue;
    call.rows[i].has_id = true;
    call.rows[i].id = static_cast<uint64_t>(effect->ids[i]);
  }
  calls_.push_back(std::move(call));
  hashes_.push_back(now_.hash);
  return made();
}

void Model::withdraw(uint64_t number) {
  RVE_ASSERT(number > floor_ && number > kill_floor_ && number <= made());
  calls_.erase(calls_.begin() + static_cast<ptrdiff_t>(number - base_index_ - 1));
  hashes_.clear();
  now_ = base_;
  for (uint64_t next = base_index_ + 1; next <= made(); ++next) {
    replay(next, &now_);
    hashes_.push_back(now_.hash);
  }
}

void Model::acked(uint64_t number, bool survives_power) {
  RVE_ASSERT(number <= made());
  kill_floor_ = std::max(kill_floor_, number);
  if (survives_power) floor_ = std::max(floor_, number);
  trim();
}

// Moves the base up to the floor: nothing below is a candidate any more.
void Model::trim() {
  const uint64_t count = floor_ - std::min(floor_, base_index_);
  for (uint64_t i = 1; i <= count; ++i) replay(base_index_ + i, &base_);
  calls_.erase(calls_.begin(), calls_.begin() + static_cast<ptrdiff_t>(count));
  hashes_.erase(hashes_.begin(), hashes_.begin() + static_cast<ptrdiff_t>(count));
  base_index_ += count;
}

// The effect of call `number` on S(number - 1).
void Model::replay(uint64_t number, State* state) const {
  state->apply(calls_[number - base_index_ - 1]);
  const auto found = next_ids_.find(number);
  if (found != next_ids_.end()) state->next_id = found->second;
}

State Model::stateAt(uint64_t k) const {
  RVE_ASSERT(k >= base_index_ && k <= made());
  if (k == made()) return now_;
  State state = base_;
  for (uint64_t number = base_index_ + 1; number <= k; ++number) replay(number, &state);
  return state;
}

bool Model::find(uint64_t hash, uint64_t floor, Match* match) const {
  bool found = false;
  for (uint64_t k = std::max(floor, base_index_); k <= made(); ++k) {
    const uint64_t i = k - base_index_;  // calls before the cut
    const uint64_t state_hash = i == 0 ? base_.hash : hashes_[i - 1];
    const bool edge = i == 0 || i == calls_.size() || calls_[i - 1].atom != calls_[i].atom;
    if (!edge || state_hash != hash) continue;
    if (!found) match->low = k;
    match->high = k;
    found = true;
  }
  return found;
}

State Model::stateOf(const Match& match) const {
  State state = stateAt(match.high);
  if (match.low != match.high) state.known = stateAt(match.low).known;
  return state;
}

std::vector<ModelCall> Model::callsAfter(uint64_t k) const {
  RVE_ASSERT(k >= base_index_ && k <= made());
  return {calls_.begin() + static_cast<ptrdiff_t>(k - base_index_), calls_.end()};
}

void Model::recovered(const Match& match, bool settled, uint64_t next_id) {
  RVE_ASSERT(match.low >= base_index_ && match.high <= made());
  const State highest = stateAt(match.high);
  now_ = stateOf(match);
  if (match.low != match.high) {
    for (const auto& [key, sequences] : highest.known) {
      const auto certain = now_.known.find(key);
      for (const uint64_t sequence : sequences) {
        const bool sure = certain != now_.known.end() && certain->second.count(sequence) != 0;
        if (!sure) doubtful_[key].insert(sequence);
      }
    }
  }
  calls_.resize(match.high - base_index_);
  hashes_.resize(match.high - base_index_);
  next_ids_.erase(next_ids_.upper_bound(match.high), next_ids_.end());
  next_ids_[match.high] = next_id;
  kill_floor_ = match.high;
  if (settled) floor_ = match.high;
  trim();
  if (calls_.empty()) base_.known = now_.known;
  now_.next_id = next_id;
  base_.next_id = calls_.empty() ? next_id : base_.next_id;
}

bool Model::doubtful(const MarkKey& key, uint64_t sequence) const {
  const auto found = doubtful_.find(key);
  return found != doubtful_.end() && found->second.count(sequence) != 0;
}

std::string explainDifference(const std::vector<Record>& got, const State& wanted) {
  std::string text;
  int lines = 0;
  const auto say = [&](const std::string& line) {
    if (++lines <= 6) text += "\n    " + line;
  };
  std::set<uint64_t> seen;
  for (const Record& record : got) {
    const std::string name = "id " + std::to_string(record.id);
    if (!seen.insert(record.id).second) {
      say(name + " comes twice");
      continue;
    }
    const auto found = wanted.live.find(record.id);
    if (found == wanted.live.end()) {
      say(name + " is there but must not be");
      continue;
    }
    const ModelRecord have = modelRecordOf(record);
    const ModelRecord& want = found->second;
    if (have.hash == want.hash) continue;
    std::string what;
    if (have.time_ms != want.time_ms) what += " time";
    if (have.source != want.source) what += " source";
    if (have.label != want.label) what += " label";
    if (have.has_payload != want.has_payload || have.payload != want.payload) what += " payload";
    if (what.empty()) what = " vector";
    say(name + " has a wrong" + what);
  }
  for (const auto& [id, record] : wanted.live) {
    if (seen.count(id) == 0) say("id " + std::to_string(id) + " is missing");
  }
  if (lines > 6) text += "\n    and " + std::to_string(lines - 6) + " more";
  return text;
}

}  // namespace rve::test
