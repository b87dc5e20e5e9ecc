// C++ results as JavaScript objects (convert.hpp).
#include <cmath>
#include <iterator>
#include <limits>
#include <type_traits>

#include "binding/convert.hpp"

namespace rve::binding {
namespace {

const char* metricName(Metric metric) {
  switch (metric) {
    case Metric::kCosine: return "cosine";
    case Metric::kL2: return "l2";
    case Metric::kIp: return "ip";
  }
  return "unknown";
}

// Counts and byte positions stay far below 2^53.
double number(uint64_t value) { return static_cast<double>(value); }

// A float as people write it: 4.6, not 4.599999904632568.
double decimal(float value) { return std::round(value * 1e6) / 1e6; }

std::string uuidText(const uint8_t (&uuid)[16]) {
  static const char digits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < sizeof uuid; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += digits[uuid[i] >> 4];
    text += digits[uuid[i] & 15];
  }
  return text;
}

Napi::Array textArray(Napi::Env env, const std::vector<std::string>& texts) {
  Napi::Array array = Napi::Array::New(env, texts.size());
  for (uint32_t i = 0; i < texts.size(); ++i) array.Set(i, Napi::String::New(env, texts[i]));
  return array;
}

Napi::Array segmentArray(Napi::Env env, const std::vector<SegmentStats>& segments) {
  Napi::Array array = Napi::Array::New(env, segments.size());
  for (uint32_t i = 0; i < segments.size(); ++i) {
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("id", number(segments[i].id));
    entry.Set("rows", number(segments[i].rows));
    entry.Set("dead", number(segments[i].dead));
    entry.Set("bytes", number(segments[i].bytes));
    entry.Set("linked", segments[i].linked);
    array.Set(i, entry);
  }
  return array;
}

Napi::Array tierArray(Napi::Env env, const Stats& stats) {
  static constexpr const char* kNames[] = {"hot", "warm", "cool", "cold", "archive"};
  static_assert(std::size(kNames) == std::extent_v<decltype(Stats::tiers)>);
  Napi::Array array = Napi::Array::New(env, std::size(kNames));
  for (uint32_t i = 0; i < std::size(kNames); ++i) {
    const TierStats& tier = stats.tiers[i];
    Napi::Array heat = Napi::Array::New(env, kStatsHeatBins);
    for (uint32_t bin = 0; bin < kStatsHeatBins; ++bin) heat.Set(bin, number(tier.heat[bin]));
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("tier", kNames[i]);
    entry.Set("vectors", number(tier.rows));
    entry.Set("bytes", number(tier.bytes));
    entry.Set("heat", heat);
    array.Set(i, entry);
  }
  return array;
}

void setTiers(Napi::Env env, Napi::Object object, const Stats& stats) {
  object.Set("tiers", tierArray(env, stats));
  object.Set("tierShare", stats.tier_share);
  object.Set("coolBits", decimal(stats.cool_bits));
  object.Set("coldBits", decimal(stats.cold_bits));
  Napi::Object codebook = Napi::Object::New(env);
  codebook.Set("id", number(stats.codebook_id));
  codebook.Set("sampleRows", number(stats.codebook_rows));
  codebook.Set("distortion", decimal(stats.codebook_distortion));
  codebook.Set("trained", number(stats.codebooks_trained));
  object.Set("codebook", codebook);
  object.Set("recompressions", number(stats.recompressions));
  object.Set("recompressedVectors", number(stats.recompressed_rows));
  object.Set("recompressedBytes", number(stats.recompressed_bytes));
}

Napi::Value textOrNull(Napi::Env env, const std::string& text) {
  return text.empty() ? env.Null() : Napi::String::New(env, text);
}

void setCounters(Napi::Object object, const Stats& stats) {
  object.Set("fileBytes", number(stats.file_bytes));
  object.Set("fixedBytes", number(stats.fixed_bytes));
  object.Set("liveBytes", number(stats.live_bytes));
  object.Set("reclaimableBytes", number(stats.reclaimable_bytes));
  object.Set("byteRatio", stats.byte_ratio);
  object.Set("vectorBytesInserted", number(stats.vector_bytes_inserted));
  object.Set("bytesWritten", number(stats.bytes_written));
  object.Set("bytesWrittenIngest", number(stats.bytes_written_ingest));
  object.Set("syncs", number(stats.syncs));
  object.Set("groups", number(stats.groups));
  object.Set("checkpoints", number(stats.checkpoints));
  object.Set("freezes", number(stats.freezes));
  object.Set("links", number(stats.links));
  object.Set("compactions", number(stats.compactions));
  object.Set("inserts", number(stats.inserts));
  object.Set("duplicates", number(stats.duplicates));
  object.Set("deletes", number(stats.deletes));
  object.Set("queries", number(stats.queries));
  object.Set("queueBytes", number(stats.queue_bytes));
}

}  // namespace

Napi::Object statsObject(Napi::Env env, const Stats& stats) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("path", stats.path);
  object.Set("uuid", uuidText(stats.uuid));
  object.Set("dimensions", number(stats.dimensions));
  object.Set("metric", metricName(stats.metric));
  object.Set("kernels", stats.kernels);
  object.Set("live", number(stats.live));
  object.Set("tailRows", number(stats.tail_rows));
  object.Set("tailDead", number(stats.tail_dead));
  object.Set("frozenRows", number(stats.frozen_rows));
  object.Set("linkedRows", number(stats.linked_rows));
  object.Set("deadRows", number(stats.dead_rows));
  object.Set("segments", segmentArray(env, stats.segments));
  setTiers(env, object, stats);
  object.Set("durableLsn", number(stats.durable_lsn));
  object.Set("writtenLsn", number(stats.written_lsn));
  object.Set("nextId", number(stats.next_id));
  object.Set("epoch", number(stats.epoch));
  object.Set("sources", number(stats.sources));
  object.Set("labels", number(stats.labels));
  object.Set("sourceMarks", number(stats.source_marks));
  setCounters(object, stats);
  object.Set("latched", stats.latched);
  object.Set("degraded", stats.degraded);
  object.Set("readOnly", stats.read_only);
  object.Set("noSpace", stats.no_space);
  object.Set("holes", number(stats.holes));
  object.Set("lostRecords", number(stats.lost_records));
  object.Set("viewFaults", number(stats.view_faults));
  return object;
}

Napi::Object checkObject(Napi::Env env, const CheckReport& report) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("ok", report.ok);
  object.Set("damaged", textArray(env, report.damaged));
  object.Set("lost", number(report.lost));
  object.Set("holes", number(report.holes));
  object.Set("notes", textArray(env, report.notes));
  return object;
}

Napi::Object recordColumns(Napi::Env env, const RecordBatch& batch, uint32_t dimensions) {
  const std::vector<Record>& records = batch.records;
  const size_t count = records.size();
  size_t payload_bytes = 0;
  for (const Record& record : records) payload_bytes += record.payload.size();
  Napi::Float64Array ids = Napi::Float64Array::New(env, count);
  Napi::Float64Array times = Napi::Float64Array::New(env, count);
  Napi::Float32Array matrix = Napi::Float32Array::New(env, count * dimensions);
  Napi::Int32Array payload_lengths = Napi::Int32Array::New(env, count);
  Napi::Uint8Array payloads = Napi::Uint8Array::New(env, payload_bytes);
  Napi::Array sources = Napi::Array::New(env, count);
  Napi::Array labels = Napi::Array::New(env, count);
  Napi::Array tiers = Napi::Array::New(env, count);
  if (ids.IsEmpty() || times.IsEmpty() || matrix.IsEmpty() || payload_lengths.IsEmpty() ||
      payloads.IsEmpty()) {
    return {};
  }
  size_t at = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const Record& record = records[i];
    ids[i] = record.found ? number(record.id) : -1;
    times[i] = static_cast<double>(record.time_ms);
    if (record.vector.size() == dimensions) {
      std::copy(record.vector.begin(), record.vector.end(), matrix.Data() + i * dimensions);
    }
    payload_lengths[i] = record.has_payload ? static_cast<int32_t>(record.payload.size()) : -1;
    std::copy(record.payload.begin(), record.payload.end(), payloads.Data() + at);
    at += record.payload.size();
    sources.Set(i, textOrNull(env, record.source));
    labels.Set(i, textOrNull(env, record.label));
    tiers.Set(i, Napi::String::New(env, record.tier));
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("ids", ids);
  object.Set("times", times);
  object.Set("matrix", matrix);
  object.Set("payloadLengths", payload_lengths);
  object.Set("payloads", payloads);
  object.Set("sources", sources);
  object.Set("labels", labels);
  object.Set("tiers", tiers);
  return object;
}

Napi::Float64Array idArray(Napi::Env env, std::span<const int64_t> ids) {
  Napi::Float64Array array = Napi::Float64Array::New(env, ids.size());
  if (array.IsEmpty()) return array;
  for (size_t i = 0; i < ids.size(); ++i) array[i] = static_cast<double>(ids[i]);
  return array;
}

Napi::Float32Array floatArray(Napi::Env env, std::span<const float> values) {
  Napi::Float32Array array = Napi::Float32Array::New(env, values.size());
  if (array.IsEmpty()) return array;
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

}  // namespace rve::binding
