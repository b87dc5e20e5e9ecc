// Deliberate breaks of the storage rules, for the test that proves that the crash enumerator
// catches each.
//
// Code under a rule says, at the one place that keeps it:
//   if (!RVE_MUTATED(kAckBeforeSync)) RVE_TRY(file.sync());
// Outside a build with -DRVE_MUTATIONS the macro is the constant false and leaves no trace in the
// object code.
#pragma once

#ifdef RVE_MUTATIONS

namespace rve {

enum class Mutation {
  kNone,
#define RVE_MUTATION(rule, name, what) name,
#include "base/mutation.def"
#undef RVE_MUTATION
};

// Set by a test before it opens an engine, kNone again after it closed. One thread at a time.
inline Mutation active_mutation = Mutation::kNone;

}  // namespace rve

#define RVE_MUTATED(name) (::rve::active_mutation == ::rve::Mutation::name)

#else

#define RVE_MUTATED(name) false

#endif
