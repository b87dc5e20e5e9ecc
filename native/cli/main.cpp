// rve-core: the engine without Node, as one static executable over its C door (rve/rve.h). For
// boards too small for Node, and for fast tests under emulation.
#include <cstdio>
#include <cstring>

#include "cli/commands.hpp"
#include "cli/report.hpp"

namespace {

using rve::cli::Args;
using rve::cli::Command;
using rve::cli::Kind;
using rve::cli::Option;

std::vector<Command> commands() {
  return {rve::cli::insertCommand(), rve::cli::queryCommand(), rve::cli::statsCommand(),
          rve::cli::checkCommand(), rve::cli::benchCommand()};
}

void printHelp(FILE* to) {
  std::fprintf(to, "rve-core: a crash-safe vector memory in one file.\n\n");
  for (const Command& command : commands()) {
    std::fprintf(to, "  rve-core %s %s\n      %s\n", command.name, command.positional,
                 command.summary);
  }
  std::fprintf(to,
               "\nrve-core COMMAND --help names the options. Exit: 0 fine, 1 failed, 2 usage, "
               "3 store damaged.\n");
}

void printHelp(const Command& command) {
  std::printf("usage: %s\n\n%s\n\n", rve::cli::usageOf(command).c_str(), command.summary);
  for (const Option& option : command.options) {
    const char* dashes = std::strlen(option.name) == 1 ? "-" : "--";
    std::printf("  %2s%-14s %s\n", dashes, option.name, option.help);
  }
}

int usageError(const std::string& message, const std::string& usage, bool json) {
  return rve::cli::failedAs(rve::cli::kUsage, "ERR_USAGE", message + "\nusage: " + usage, json);
}

bool asked(int count, char** words, const char* option) {
  for (int i = 0; i < count; ++i) {
    if (std::strcmp(words[i], option) == 0) return true;
  }
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || std::strcmp(argv[1], "help") == 0 || std::strcmp(argv[1], "--help") == 0) {
    printHelp(argc < 2 ? stderr : stdout);
    return argc < 2 ? rve::cli::kUsage : rve::cli::kFine;
  }
  const int rest = argc - 2;
  char** const words = argv + 2;
  for (const Command& command : commands()) {
    if (std::strcmp(command.name, argv[1]) != 0) continue;
    if (asked(rest, words, "--help")) {
      printHelp(command);
      return rve::cli::kFine;
    }
    Args args;
    std::string error;
    if (!args.parse(command, rest, words, &error)) {
      return usageError(std::string(command.name) + ": " + error, rve::cli::usageOf(command),
                        asked(rest, words, "--json"));
    }
    const int exit_code = command.run(args);
    // An answer that nobody could read is no answer.
    return exit_code == rve::cli::kFine && !rve::cli::flushed() ? rve::cli::kFailed : exit_code;
  }
  return usageError(std::string("unknown command \"") + argv[1] + "\"",
                    "rve-core insert|query|stats|check|bench ...", asked(rest, words, "--json"));
}
