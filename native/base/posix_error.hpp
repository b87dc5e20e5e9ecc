// How errno becomes a Status. Inner to base: other rooms see only env.hpp.
#pragma once
#include <string>

#include "base/status.hpp"

namespace rve {

// `what` names the act ("Cannot open"), `path` the file. The message reads
// "Cannot open: No space left on device (/data/robot.rve)". Takes errno as an argument since
// building strings may change it.
Status posixStatus(int error, const std::string& what, const std::string& path);

}  // namespace rve
