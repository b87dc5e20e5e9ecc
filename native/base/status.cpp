#include "base/status.hpp"

namespace rve {
namespace {

struct Row {
  Code code;
  const char* name;
  const char* meaning;
  const char* advice;
};

constexpr Row kRows[] = {
#define RVE_STATUS(number, name, text, meaning, advice) {Code::name, text, meaning, advice},
#include "base/status.def"
#undef RVE_STATUS
};

const Row& row(Code code) {
  for (const Row& r : kRows) {
    if (r.code == code) return r;
  }
  return row(Code::kInternal);
}

}  // namespace

const char* codeName(Code code) { return row(code).name; }
const char* codeMeaning(Code code) { return row(code).meaning; }
const char* codeAdvice(Code code) { return row(code).advice; }

}  // namespace rve
