// Status: how the world's failures travel. No exceptions; a caller's bug trips RVE_ASSERT instead.
#pragma once
#include <cstdint>
#include <string>
#include <utility>

namespace rve {

// Generated from status.def by the preprocessor: the numbers are stable API.
enum class Code : uint32_t {
#define RVE_STATUS(number, name, text, meaning, advice) name = number,
#include "base/status.def"
#undef RVE_STATUS
};

const char* codeName(Code code);     // "ERR_BUSY"; stable.
const char* codeMeaning(Code code);  // "the memory has another user, or a queue is full"
const char* codeAdvice(Code code);   // what to do next

// A code and, on failure, one sentence about this occurrence (what, where). Cheap when ok: no
// allocation.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}
  explicit Status(Code code) : code_(code) {}
  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

}  // namespace rve

// Returns the status of `expression` from the enclosing function unless it is ok.
#define RVE_TRY(expression)                       \
  do {                                            \
    ::rve::Status rve_try_status = (expression);  \
    if (!rve_try_status.ok()) return rve_try_status; \
  } while (0)
