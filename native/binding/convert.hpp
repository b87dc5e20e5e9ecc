// JavaScript values to C++ and back. Nothing here throws a C++ exception; a function that answers
// false has left a JavaScript exception pending ({ code, message }), and its caller returns at
// once.
//
// The calls that a single insert or query makes use the plain C functions of Node-API: one wrapper
// object less per argument is a fifth of the cost of such a call.
#pragma once
#include <napi.h>

#include <span>
#include <string>
#include <vector>

#include "binding/mailbox.hpp"
#include "rve/engine.hpp"

namespace rve::binding {

// Leaves a pending JavaScript Error with `code` and the full sentence.
void throwStatus(napi_env env, const Status& status);
// The same as a value, for a promise.
Napi::Value errorOf(Napi::Env env, const Status& status);

// undefined and null: an argument that was left out.
bool isAbsent(napi_env env, napi_value value);

// Views the elements of a typed array; valid until JavaScript runs again.
bool viewFloats(napi_env env, napi_value value, std::span<const float>* out);
bool viewDoubles(napi_env env, napi_value value, std::span<const double>* out);
bool viewWords(napi_env env, napi_value value, std::span<const uint32_t>* out);
bool viewOctets(napi_env env, napi_value value, std::span<const uint8_t>* out);

bool readString(napi_env env, napi_value value, std::string* out);
bool readDouble(napi_env env, napi_value value, double* out);
bool readFloat(napi_env env, napi_value value, float* out);
bool readWord(napi_env env, napi_value value, uint32_t* out);
bool readFlag(napi_env env, napi_value value, bool* out);

// Whole numbers from 0 to kIdMax; else kIdRange.
bool readIds(napi_env env, napi_value value, std::vector<uint64_t>* out);
// Milliseconds since 1970 within a Date's range, fractions dropped; else kArgument.
bool readTimes(napi_env env, napi_value value, std::vector<int64_t>* out);
// { source?, labels?, from?, to? }, or nothing. The door has checked keys and types.
bool readFilter(napi_env env, napi_value value, Filter* out);
// Everything of an insert but its rows: see NativeInsertMore in runtime/native.ts.
bool readInsertMore(napi_env env, napi_value value, InsertBatch* out);
// The options of Memory.open, checked by the door: see NativeOpenOptions in runtime/native.ts.
bool readOpenOptions(napi_env env, napi_value path, napi_value value, OpenOptions* out);

// The makers below leave their result empty where the environment ends, as a worker thread does
// that is being terminated: then no array can be made, and nobody is left to read it.
Napi::Object statsObject(Napi::Env env, const Stats& stats);
Napi::Object checkObject(Napi::Env env, const CheckReport& report);
// The rows as columns, which runtime/memory turns into records.
Napi::Object recordColumns(Napi::Env env, const RecordBatch& batch, uint32_t dimensions);
Napi::Float64Array idArray(Napi::Env env, std::span<const int64_t> ids);
Napi::Float32Array floatArray(Napi::Env env, std::span<const float> values);

}  // namespace rve::binding
