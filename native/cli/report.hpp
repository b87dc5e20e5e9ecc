// How rve-core ends and what it prints: exit codes as those of `rve`, and JSON.
#pragma once
#include <cstdint>
#include <string>

#include "rve/rve.h"

namespace rve::cli {

inline constexpr int kFine = 0;
inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;
inline constexpr int kDamaged = 3;  // a store that fails its checksums

// Prints the sentence of the last error of the C door, and gives the exit code. With `json` one
// object { error: { code, message } } stands on stdout in place of the answer.
int failed(rve_status status, bool json);
// The same for an error that the C door did not see: a file that cannot be read, a bad number.
int failedAs(int exit_code, const char* code, const std::string& message, bool json);

// With quotes; control characters escaped.
std::string quoted(const char* text);

// One JSON object, written key by key.
class Json {
 public:
  Json& add(const char* key, uint64_t value);
  Json& add(const char* key, double value);
  Json& add(const char* key, bool value);
  Json& add(const char* key, const char* value);
  // Already JSON.
  Json& raw(const char* key, const std::string& value);
  std::string text() const { return "{" + body_ + "}"; }

 private:
  std::string body_;
};

// As few digits as tell a float from its neighbours.
std::string shortest(float value);

// Flushes stdout: false where it could not be written, which is a failure of the command.
bool flushed();

}  // namespace rve::cli
