#include "test/crash/driver.hpp"

#include <algorithm>

namespace rve::test {

namespace {

// Atoms of different drivers on one model must differ.
uint64_t next_atom = 1;

std::string numberList(const std::vector<int64_t>& ids) {
  std::string text;
  for (const int64_t id : ids) text += (text.empty() ? "" : ", ") + std::to_string(id);
  return '[' + text + ']';
}

}  // namespace

InsertBatch batchOf(const ModelCall& call) {
  InsertBatch batch;
  batch.count = static_cast<uint32_t>(call.rows.size());
  batch.source = call.rows.front().record.source;
  batch.has_sequence = call.rows.front().has_sequence;
  batch.boot = call.boot;
  batch.sequence = call.rows.front().sequence;
  bool payloads = false, labels = false;
  for (const ModelRow& row : call.rows) {
    payloads |= row.record.has_payload;
    labels |= !row.record.label.empty();
  }
  for (const ModelRow& row : call.rows) {
    const ModelRecord& record = row.record;
    batch.matrix.insert(batch.matrix.end(), record.vector.begin(), record.vector.end());
    if (row.has_id) batch.ids.push_back(row.id);
    batch.times_ms.push_back(record.time_ms);
    if (labels) batch.labels.push_back(record.label);
    if (!payloads) continue;
    batch.payload_bytes.insert(batch.payload_bytes.end(), record.payload.begin(),
                               record.payload.end());
    batch.payload_ends.push_back(static_cast<uint32_t>(batch.payload_bytes.size()));
  }
  const bool one_label =
      labels && std::all_of(batch.labels.begin(), batch.labels.end(),
                            [&](const std::string& l) { return l == batch.labels[0]; });
  if (one_label) batch.labels.resize(1);
  return batch;
}

Driver::Driver(Engine* engine, Model* model, Durability level)
    : engine_(engine), model_(model), level_(level), atom_(next_atom++) {}

void Driver::submit(ModelCall call) {
  // At kSync no other call rides in a call's group, so each is an atom of its own.
  if (level_ == Durability::kSync) atom_ = next_atom++;
  call.atom = atom_;
  Waiting waiting;
  const uint64_t ticket = next_ticket_++;
  // The batch is made before the model fills assigned ids in.
  InsertBatch batch;
  if (call.kind == CallKind::kInsert) batch = batchOf(call);
  const std::vector<uint64_t> ids = call.ids;
  const std::string source = call.source;
  const CallKind kind = call.kind;
  waiting.has_ids = kind == CallKind::kInsert;
  waiting.number = model_->add(std::move(call), &waiting.effect);
  waiting_.push_back(waiting);

  Status status;
  const auto forgotten = [this, ticket](ForgetResult&& result) {
    State::Effect got;
    got.forgotten = result.count;
    answered(ticket, result.status, got, result.lsn);
  };
  switch (kind) {
    case CallKind::kInsert:
      status = engine_->submitInsert(std::move(batch), [this, ticket](InsertResult&& result) {
        State::Effect got;
        got.ids = std::move(result.ids);
        answered(ticket, result.status, got, result.lsn);
      });
      break;
    case CallKind::kForget: status = engine_->submitForget(ids, forgotten); break;
    case CallKind::kForgetSource: status = engine_->submitForgetSource(source, forgotten); break;
  }
  if (status.ok()) return;
  // Refused at the door: `done` never comes. The call is the newest, so nothing behind it moves.
  if (answered_ + waiting_.size() != next_ticket_ || waiting_.empty()) {
    violate("a call that submit refused was answered as well");
    return;
  }
  model_->withdraw(waiting_.back().number);
  waiting_.pop_back();
  --next_ticket_;
  if (status.code() == Code::kNoSpace) full_ = true;
  else refused_ = true;
  if (status.code() == Code::kInternal || status.code() == Code::kArgument) {
    violate("submit answers " + status.message());
  }
}

void Driver::withdraw(uint64_t number) {
  model_->withdraw(number);
  for (Waiting& waiting : waiting_) {
    if (waiting.number > number) --waiting.number;
  }
}

void Driver::answered(uint64_t ticket, const Status& status, const State::Effect& got,
                      uint64_t lsn) {
  if (ticket != answered_ || waiting_.empty()) {
    violate("completion " + std::to_string(ticket) + " runs out of order or twice; " +
            std::to_string(answered_) + " is next");
    return;
  }
  const Waiting waiting = waiting_.front();
  waiting_.pop_front();
  ++answered_;
  if (status.code() == Code::kNoSpace) {
    full_ = true;
    withdraw(waiting.number);
    return;
  }
  if (!status.ok()) {
    refused_ = true;  // In doubt: the call stays a candidate, nothing was promised.
    return;
  }
  // Acknowledged behind a failure: counted like any other promise, so that a lost one shows.
  const bool power = level_ == Durability::kGroup || level_ == Durability::kSync;
  if (level_ != Durability::kBuffered) model_->acked(waiting.number, power);
  if (!power) written_.push_back({waiting.number, lsn});
  if (waiting.has_ids && got.ids != waiting.effect.ids) {
    violate("insert answers ids " + numberList(got.ids) + ", the model has " +
            numberList(waiting.effect.ids));
  }
  if (!waiting.has_ids && got.forgotten != waiting.effect.forgotten) {
    violate("forget counts " + std::to_string(got.forgotten) + ", the model has " +
            std::to_string(waiting.effect.forgotten));
  }
}

void Driver::pump() {
  atom_ = next_atom++;
  for (int rounds = 0; engine_->pump(); ++rounds) {
    if (rounds > 100) {
      violate("pump() finds work for ever");
      return;
    }
  }
  // A buffered call is answered at once and its group may come later: waiting for nothing is enough
  // here.
  if (!waiting_.empty()) {
    violate(std::to_string(waiting_.size()) + " completions did not run in pump()");
    waiting_.clear();
  }
}

void Driver::waitDurable() {
  if (written_.empty()) return;
  const uint64_t number = written_.back().number;
  int answers = 0;
  bool durable = false;
  const Status status = engine_->submitWaitDurable(written_.back().lsn, [&](Status done) {
    ++answers;
    durable = done.ok();
  });
  pump();
  if (!status.ok()) {
    refused_ = true;
  } else if (answers != 1) {
    violate("waitDurable ran its completion " + std::to_string(answers) + " times");
  } else if (durable) {
    model_->acked(number, true);
    written_.clear();
  } else {
    refused_ = true;
  }
}

void Driver::noteDurable() {
  // A buffered answer comes before its group has a place in the log: only waitDurable() tells.
  if (level_ == Durability::kBuffered) return;
  const uint64_t durable = engine_->stats().durable_lsn;
  while (!written_.empty() && written_.front().lsn <= durable) {
    model_->acked(written_.front().number, true);
    written_.pop_front();
  }
}

}  // namespace rve::test
