// The folder that holds what the executable carries: private, verified, complete or absent.
#pragma once
#include <string>
#include <vector>

#include "payload.hpp"

namespace rve::launcher {

// Folders to try, best first. RVE_CACHE_DIR stands alone where it is set.
std::vector<std::string> candidates();

// Makes sure that below `base` stands a folder with exactly the payload's files, extracts it where
// it does not, and gives its absolute path and an open, locked descriptor of it, which the started
// program inherits: while it is open no other launcher removes the folder. False: `*error`.
bool prepare(int self, const Payload& payload, const std::string& base, std::string* folder,
             std::string* error);

}  // namespace rve::launcher
