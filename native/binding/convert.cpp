#include "binding/convert.hpp"

#include <cmath>

#include "engine/sentence.hpp"

namespace rve::binding {
namespace {

constexpr double kTimeMsMax = 8.64e15;  // The range of a JavaScript Date, to either side of 1970.

bool refuse(napi_env env, Code code, std::string message) {
  throwStatus(env, Status(code, std::move(message)));
  return false;
}

template <typename T>
bool view(napi_env env, napi_value value, napi_typedarray_type type, std::span<const T>* out) {
  napi_typedarray_type found;
  size_t length = 0;
  void* data = nullptr;
  const napi_status status =
      napi_get_typedarray_info(env, value, &found, &length, &data, nullptr, nullptr);
  if (status != napi_ok || found != type) {
    return refuse(env, Code::kArgument, "An argument is not a typed array of the expected type");
  }
  *out = {static_cast<const T*>(data), length};
  return true;
}

napi_value property(napi_env env, napi_value object, const char* name) {
  napi_value value = nullptr;
  if (napi_get_named_property(env, object, name, &value) != napi_ok) return nullptr;
  return value;
}

// Reads an optional property by `read`; absent ones leave *out as it is.
template <typename T, typename Read>
bool optional(napi_env env, napi_value object, const char* name, Read read, T* out,
              bool* present = nullptr) {
  napi_value value = property(env, object, name);
  if (value == nullptr || isAbsent(env, value)) return true;
  if (present != nullptr) *present = true;
  return read(env, value, out);
}

bool readCount(napi_env env, napi_value value, uint64_t* out) {
  double number = 0;
  if (!readDouble(env, value, &number)) return false;
  if (!(number >= 0 && number <= 9007199254740991.0)) {
    return refuse(env, Code::kArgument, "A count is not a safe integer from 0");
  }
  *out = static_cast<uint64_t>(number);
  return true;
}

bool readTime(napi_env env, napi_value value, int64_t* out) {
  double number = 0;
  if (!readDouble(env, value, &number)) return false;
  if (!(std::fabs(number) <= kTimeMsMax)) {
    return refuse(env, Code::kArgument, "A time is not a number of ms since 1970");
  }
  *out = static_cast<int64_t>(std::floor(number));
  return true;
}

// A string, or an array of strings in which an absent entry stands for "".
bool readStrings(napi_env env, napi_value value, std::vector<std::string>* out) {
  bool is_array = false;
  napi_is_array(env, value, &is_array);
  if (!is_array) {
    out->emplace_back();
    return readString(env, value, &out->back());
  }
  uint32_t length = 0;
  napi_get_array_length(env, value, &length);
  out->resize(length);
  for (uint32_t i = 0; i < length; ++i) {
    napi_value entry = nullptr;
    if (napi_get_element(env, value, i, &entry) != napi_ok) return false;
    if (isAbsent(env, entry)) continue;
    if (!readString(env, entry, &(*out)[i])) return false;
  }
  return true;
}

bool readPayloads(napi_env env, napi_value object, InsertBatch* out) {
  napi_value ends = property(env, object, "payloadEnds");
  if (ends == nullptr || isAbsent(env, ends)) return true;
  std::span<const uint32_t> words;
  std::span<const uint8_t> octets;
  if (!viewWords(env, ends, &words)) return false;
  if (!viewOctets(env, property(env, object, "payloadBytes"), &octets)) return false;
  out->payload_ends.assign(words.begin(), words.end());
  out->payload_bytes.assign(octets.begin(), octets.end());
  return true;
}

// { thresholds? of hot, warm, cool, cold }
bool readThresholds(napi_env env, napi_value object, TierOptions* out) {
  napi_value value = property(env, object, "thresholds");
  if (value == nullptr || isAbsent(env, value)) return true;
  std::span<const double> lower;
  if (!viewDoubles(env, value, &lower)) return false;
  if (lower.size() != 4) return refuse(env, Code::kArgument, "There are four thresholds");
  out->hot_threshold = static_cast<float>(lower[0]);
  out->warm_threshold = static_cast<float>(lower[1]);
  out->cool_threshold = static_cast<float>(lower[2]);
  out->cold_threshold = static_cast<float>(lower[3]);
  return true;
}

// See NativeTierOptions in runtime/native.ts.
bool readTierOptions(napi_env env, napi_value value, TierOptions* out) {
  uint32_t profile = static_cast<uint32_t>(out->profile);
  uint32_t originals = static_cast<uint32_t>(out->originals);
  const bool read =
      optional(env, value, "profile", readWord, &profile) &&
      optional(env, value, "originals", readWord, &originals) &&
      optional(env, value, "bytesMax", readCount, &out->bytes_max) &&
      optional(env, value, "bytesRatioMax", readDouble, &out->bytes_ratio_max) &&
      readThresholds(env, value, out) &&
      optional(env, value, "promotionThreshold", readFloat, &out->promotion_threshold) &&
      optional(env, value, "demotionThreshold", readFloat, &out->demotion_threshold) &&
      optional(env, value, "accessDecayHalflifeS", readDouble, &out->half_life_s) &&
      optional(env, value, "recompressIntervalS", readWord, &out->recompress_interval_s) &&
      optional(env, value, "coolBits", readFloat, &out->cool_bits) &&
      optional(env, value, "coldBits", readFloat, &out->cold_bits) &&
      optional(env, value, "codebookSampleSize", readWord, &out->codebook_sample_rows) &&
      optional(env, value, "codebookUpdateFreq", readWord, &out->codebook_update_rows);
  if (!read) return false;
  out->profile = static_cast<Profile>(profile);
  out->originals = static_cast<Originals>(originals);
  return true;
}

}  // namespace

void throwStatus(napi_env env, const Status& status) {
  napi_throw_error(env, codeName(status.code()), sentenceOf(status).c_str());
}

Napi::Value errorOf(Napi::Env env, const Status& status) {
  Napi::Error error = Napi::Error::New(env, sentenceOf(status));
  error.Set("code", codeName(status.code()));
  return error.Value();
}

bool isAbsent(napi_env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  napi_typeof(env, value, &type);
  return type == napi_undefined || type == napi_null;
}

bool viewFloats(napi_env env, napi_value value, std::span<const float>* out) {
  return view(env, value, napi_float32_array, out);
}

bool viewDoubles(napi_env env, napi_value value, std::span<const double>* out) {
  return view(env, value, napi_float64_array, out);
}

bool viewWords(napi_env env, napi_value value, std::span<const uint32_t>* out) {
  return view(env, value, napi_uint32_array, out);
}

bool viewOctets(napi_env env, napi_value value, std::span<const uint8_t>* out) {
  return view(env, value, napi_uint8_array, out);
}

bool readString(napi_env env, napi_value value, std::string* out) {
  char text[kNameBytesMax + 8];  // Names fit; a longer text takes the second call.
  size_t bytes = 0;
  if (napi_get_value_string_utf8(env, value, text, sizeof text, &bytes) != napi_ok) {
    return refuse(env, Code::kArgument, "An argument is not a string");
  }
  if (bytes < sizeof text - 4) {  // A cut text may end up to three bytes short of the buffer.
    out->assign(text, bytes);
    return true;
  }
  napi_get_value_string_utf8(env, value, nullptr, 0, &bytes);
  out->resize(bytes);
  napi_get_value_string_utf8(env, value, out->data(), bytes + 1, &bytes);
  return true;
}

bool readDouble(napi_env env, napi_value value, double* out) {
  if (napi_get_value_double(env, value, out) == napi_ok) return true;
  return refuse(env, Code::kArgument, "An argument is not a number");
}

bool readFloat(napi_env env, napi_value value, float* out) {
  double number = 0;
  if (!readDouble(env, value, &number)) return false;
  *out = static_cast<float>(number);
  return true;
}

bool readWord(napi_env env, napi_value value, uint32_t* out) {
  if (napi_get_value_uint32(env, value, out) == napi_ok) return true;
  return refuse(env, Code::kArgument, "An argument is not a number");
}

bool readFlag(napi_env env, napi_value value, bool* out) {
  if (napi_get_value_bool(env, value, out) == napi_ok) return true;
  return refuse(env, Code::kArgument, "An argument is not a boolean");
}

bool readIds(napi_env env, napi_value value, std::vector<uint64_t>* out) {
  std::span<const double> numbers;
  if (!viewDoubles(env, value, &numbers)) return false;
  out->resize(numbers.size());
  for (size_t i = 0; i < numbers.size(); ++i) {
    const double number = numbers[i];
    if (!(number >= 0 && number <= static_cast<double>(kIdMax)) || number != std::floor(number)) {
      return refuse(env, Code::kIdRange,
                    "The id at index " + std::to_string(i) + " is not a whole number in range");
    }
    (*out)[i] = static_cast<uint64_t>(number);
  }
  return true;
}

bool readTimes(napi_env env, napi_value value, std::vector<int64_t>* out) {
  std::span<const double> numbers;
  if (!viewDoubles(env, value, &numbers)) return false;
  out->resize(numbers.size());
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (!(std::fabs(numbers[i]) <= kTimeMsMax)) {
      return refuse(env, Code::kArgument,
                    "The time at index " + std::to_string(i) + " is not a number of ms since 1970");
    }
    (*out)[i] = static_cast<int64_t>(std::floor(numbers[i]));
  }
  return true;
}

bool readFilter(napi_env env, napi_value value, Filter* out) {
  if (isAbsent(env, value)) return true;
  return optional(env, value, "source", readString, &out->source, &out->has_source) &&
         optional(env, value, "labels", readStrings, &out->labels) &&
         optional(env, value, "from", readTime, &out->from_ms, &out->has_from) &&
         optional(env, value, "to", readTime, &out->to_ms, &out->has_to);
}

bool readInsertMore(napi_env env, napi_value value, InsertBatch* out) {
  if (isAbsent(env, value)) return true;
  return optional(env, value, "source", readString, &out->source) &&
         optional(env, value, "boot", readWord, &out->boot) &&
         optional(env, value, "sequence", readCount, &out->sequence, &out->has_sequence) &&
         optional(env, value, "labels", readStrings, &out->labels) &&
         readPayloads(env, value, out);
}

bool readOpenOptions(napi_env env, napi_value path, napi_value value, OpenOptions* out) {
  uint32_t metric = 0;
  uint32_t durability = static_cast<uint32_t>(out->durability);
  const bool read =
      readString(env, path, &out->path) &&
      optional(env, value, "dimensions", readWord, &out->dimensions) &&
      optional(env, value, "metric", readWord, &metric, &out->has_metric) &&
      optional(env, value, "readOnly", readFlag, &out->read_only) &&
      optional(env, value, "durability", readWord, &durability) &&
      optional(env, value, "lingerMs", readWord, &out->linger_ms) &&
      optional(env, value, "intervalMs", readWord, &out->interval_ms) &&
      optional(env, value, "fileBytesMax", readCount, &out->bytes_max) &&
      optional(env, value, "hnswM", readWord, &out->tuning.hnsw_m) &&
      optional(env, value, "hnswEfConstruction", readWord, &out->tuning.hnsw_ef_construction) &&
      optional(env, value, "hnswEfSearch", readWord, &out->tuning.ef_search) &&
      readTierOptions(env, value, &out->tiers);
  if (!read) return false;
  if (out->has_metric) out->metric = static_cast<Metric>(metric);
  out->durability = static_cast<Durability>(durability);
  return true;
}

}  // namespace rve::binding
