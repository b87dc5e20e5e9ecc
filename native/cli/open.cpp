#include "cli/commands.hpp"

namespace rve::cli {

std::vector<Option> createOptions() {
  return {
      {"dims", Kind::kInteger, "Numbers a vector; needed to create the store.", 1,
       RVE_DIMENSIONS_MAX},
      {"metric", Kind::kChoice, "Of a new store: cosine (default), l2 or ip.", 0, 0,
       "cosine|l2|ip"},
      {"profile", Kind::kChoice,
       "What may be compressed: precise (default) is nothing below f16.", 0, 0,
       "precise|balanced|edge"},
      {"durability", Kind::kChoice, "When an insert is done: group (default) survives power loss.",
       0, 0, "group|sync|interval|buffered"},
  };
}

rve_options openOptions(const Args& args) {
  rve_options options;
  rve_options_init(&options);
  options.dimensions = static_cast<uint32_t>(args.integer("dims", 0));
  constexpr rve_metric kMetrics[] = {RVE_METRIC_COSINE, RVE_METRIC_L2, RVE_METRIC_IP};
  options.metric = args.has("metric") ? kMetrics[args.choice("metric", 0)] : RVE_METRIC_FILE;
  // What a code loses is lost for good, and a command that comes and goes does not know what the
  // owner of the store wants: so it compresses nothing unless told to. As in runtime/cli/reach.ts.
  constexpr rve_profile kProfiles[] = {RVE_PROFILE_PRECISE, RVE_PROFILE_BALANCED,
                                       RVE_PROFILE_EDGE};
  options.profile = kProfiles[args.choice("profile", 0)];
  options.durability = static_cast<rve_durability>(args.choice("durability", 0));
  return options;
}

rve_options readOnlyOptions() {
  rve_options options;
  rve_options_init(&options);
  options.read_only = 1;
  options.profile = RVE_PROFILE_PRECISE;
  return options;
}

}  // namespace rve::cli
