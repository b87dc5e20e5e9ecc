// One way to say an error through every door: what and where, then what to do next.
#pragma once
#include <string>

#include "base/status.hpp"

namespace rve {

// "Cannot open memory: ... /path. Try: check owner and mode". The Status may say its own advice.
inline std::string sentenceOf(const Status& status) {
  std::string text = status.message().empty() ? codeMeaning(status.code()) : status.message();
  if (text.find("Try: ") != std::string::npos) return text;
  if (text.back() != '.') text += '.';
  return text + " Try: " + codeAdvice(status.code());
}

}  // namespace rve
