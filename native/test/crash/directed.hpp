// Short scenarios, each aimed at one rule that random histories reach seldom. They return the first
// broken promise in words, or nothing. The table of mutations runs the same ones.
#pragma once
#include <string>
#include <vector>

#include "test/crash/checker.hpp"

namespace rve::test {

struct Scenario {
  const char* name;  // a sentence; the tests carry it
  int rule;
  std::string (*run)(const OpenFunction& open);
};

const std::vector<Scenario>& scenarios();

// directed_versions.cpp: what a Version held across commits shows (R6, R13).
std::string bytesUnderVersion(const OpenFunction& open);
std::string supersedeUnderVersion(const OpenFunction& open);
std::string versionsUnderLoad(const OpenFunction& open);

}  // namespace rve::test
