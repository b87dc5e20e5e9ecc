#include "cli/args.hpp"

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>

namespace rve::cli {
namespace {

const Option kJson = {"json", Kind::kFlag, "Print JSON."};

const Option* optionOf(const Command& command, std::string_view word) {
  if (word.size() < 2 || word[0] != '-') return nullptr;
  const bool is_long = word[1] == '-';
  const std::string_view name = word.substr(is_long ? 2 : 1);
  if (name == kJson.name && is_long) return &kJson;
  for (const Option& option : command.options) {
    // -k and --k are the same; a long name has two dashes.
    if (name == option.name && (is_long || name.size() == 1)) return &option;
  }
  return nullptr;
}

// Place of `word` among words parted by '|'; -1: it is none of them.
int placeOf(std::string_view choices, std::string_view word) {
  for (int place = 0;; ++place) {
    const size_t end = choices.find('|');
    if (choices.substr(0, end) == word) return place;
    if (end == std::string_view::npos) return -1;
    choices.remove_prefix(end + 1);
  }
}

bool readInteger(const char* text, uint64_t* out) {
  if (*text < '0' || *text > '9') return false;
  char* end = nullptr;
  errno = 0;
  *out = std::strtoull(text, &end, 10);
  return errno == 0 && *end == '\0';
}

bool readNumber(const char* text, double* out) {
  char* end = nullptr;
  *out = std::strtod(text, &end);
  return end != text && *end == '\0' && std::isfinite(*out);
}

std::string rangeOf(const Option& option) {
  const std::string low = std::to_string(option.min), high = std::to_string(option.max);
  if (option.kind == Kind::kNumber) return low + " to " + high;
  return low.substr(0, low.find('.')) + " to " + high.substr(0, high.find('.'));
}

}  // namespace

const Args::Given* Args::find(std::string_view name) const {
  for (const Given& given : given_) {
    if (given.name == name) return &given;
  }
  return nullptr;
}

const char* Args::text(std::string_view name, const char* otherwise) const {
  const Given* given = find(name);
  return given == nullptr ? otherwise : given->text.c_str();
}

uint64_t Args::integer(std::string_view name, uint64_t otherwise) const {
  const Given* given = find(name);
  return given == nullptr ? otherwise : given->integer;
}

double Args::number(std::string_view name, double otherwise) const {
  const Given* given = find(name);
  return given == nullptr ? otherwise : given->number;
}

uint32_t Args::choice(std::string_view name, uint32_t otherwise) const {
  return static_cast<uint32_t>(integer(name, otherwise));
}

bool Args::parse(const Command& command, int count, char** words, std::string* error) {
  bool options_end = false;
  for (int i = 0; i < count; ++i) {
    const std::string word = words[i];
    if (!options_end && word == "--") {
      options_end = true;
      continue;
    }
    if (options_end || word.size() < 2 || word[0] != '-') {
      if (!positional_.empty() || word.empty()) {
        *error = "unexpected \"" + word + "\"";
        return false;
      }
      positional_ = word;
      continue;
    }
    const size_t equals = word.find('=');
    const Option* option = optionOf(command, std::string_view(word).substr(0, equals));
    if (option == nullptr) {
      *error = "unknown option " + word;
      return false;
    }
    Given given;
    given.name = option->name;
    if (has(given.name)) {
      *error = word + " is given twice";
      return false;
    }
    const bool is_flag = option->kind == Kind::kFlag;
    if (is_flag ? equals != std::string::npos : equals == std::string::npos && ++i >= count) {
      *error = word + (is_flag ? " takes no value" : " needs a value");
      return false;
    }
    if (!is_flag) given.text = equals == std::string::npos ? words[i] : word.substr(equals + 1);
    const char* text = given.text.c_str();
    bool fits = true;
    if (option->kind == Kind::kInteger) {
      fits = readInteger(text, &given.integer) &&
             static_cast<double>(given.integer) >= option->min &&
             static_cast<double>(given.integer) <= option->max;
    } else if (option->kind == Kind::kNumber) {
      fits = readNumber(text, &given.number) && given.number >= option->min &&
             given.number <= option->max;
    } else if (option->kind == Kind::kChoice) {
      const int place = placeOf(option->choices, given.text);
      fits = place >= 0;
      given.integer = fits ? static_cast<uint64_t>(place) : 0;
    }
    if (!fits) {
      *error = "--" + given.name + " must be " +
               (option->kind == Kind::kChoice ? std::string(option->choices) : rangeOf(*option)) +
               ", not \"" + given.text + "\"";
      return false;
    }
    given_.push_back(given);
  }
  if (positional_.empty() && command.positional[0] != '[') {
    *error = std::string(command.positional) + " is missing";
    return false;
  }
  return true;
}

std::string usageOf(const Command& command) {
  std::string text = std::string("rve-core ") + command.name + " " + command.positional;
  for (const Option& option : command.options) {
    text += std::string(" [") + (std::strlen(option.name) == 1 ? "-" : "--") + option.name;
    if (option.kind == Kind::kChoice) text += std::string(" ") + option.choices;
    else if (option.kind == Kind::kText) text += " TEXT";
    else if (option.kind != Kind::kFlag) text += " N";
    text += "]";
  }
  return text + " [--json]";
}

}  // namespace rve::cli
