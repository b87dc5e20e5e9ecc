// The command line of rve-core: one table says what each command takes, and the parser checks every
// value against it, so that a command meets only values that are in range.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rve::cli {

enum class Kind { kFlag, kText, kInteger, kNumber, kChoice };

struct Option {
  const char* name;     // without the dashes; of one letter: -k
  Kind kind;
  const char* help;
  double min = 0, max = 0;        // kInteger, kNumber
  const char* choices = nullptr;  // kChoice: words parted by '|', numbered from 0
};

class Args;

struct Command {
  const char* name;
  const char* positional;  // "STORE", or "[STORE]" where it may be left out
  const char* summary;
  std::vector<Option> options;  // and --json, which every command has
  int (*run)(const Args&);
};

class Args {
 public:
  // False: `*error` says what is wrong with the command line.
  bool parse(const Command& command, int count, char** words, std::string* error);

  const std::string& positional() const { return positional_; }
  bool has(std::string_view name) const { return find(name) != nullptr; }
  const char* text(std::string_view name, const char* otherwise) const;
  uint64_t integer(std::string_view name, uint64_t otherwise) const;
  double number(std::string_view name, double otherwise) const;
  // Place of the given word in the option's choices.
  uint32_t choice(std::string_view name, uint32_t otherwise) const;
  bool json() const { return has("json"); }

 private:
  struct Given {
    std::string name;
    std::string text;
    double number = 0;
    uint64_t integer = 0;
  };
  const Given* find(std::string_view name) const;

  std::string positional_;
  std::vector<Given> given_;
};

// "rve-core insert STORE [--dims N] ..."
std::string usageOf(const Command& command);

}  // namespace rve::cli
