// The native test runner: no exceptions, no dependency.
//
//   TEST(a_name_that_is_a_sentence) {
//     CHECK(condition);          // goes on after a failure
//     CHECK_EQ(got, wanted);     // prints both values
//     REQUIRE(condition);        // leaves the test function on failure (also from a lambda or
// helper)
//     if (absent) SKIP("no data set beside the project");
//   }
//
// A test that makes no check at all fails: a test that cannot fail is no test.
// CHECKs may be made from any thread; SKIP and REQUIRE return only from the function they stand in.
#pragma once
#include <cstdint>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>

namespace rve::test {

using Body = void (*)();

// Registers a test at static initialisation. Order within a file is kept; files are ordered by
// name.
struct Registration {
  Registration(const char* name, const char* file, int line, Body body);
};

// The seed of this run: --seed N, or drawn once at start. Printed when a test fails.
uint64_t seed();

// Counts one check made; returns `passed`. On failure prints file:line, the text and the detail.
bool report(bool passed, const char* file, int line, const char* text, const std::string& detail);

// Marks the running test as skipped, for the one-line reason given.
void skip(const char* reason);

// A value as text, for a failure line. Types that cannot be printed show their size.
template <typename T>
std::string show(const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_enum_v<T>) {
    return std::to_string(static_cast<std::underlying_type_t<T>>(value));
  } else if constexpr (std::is_integral_v<T>) {
    return std::to_string(value);  // Also the char types: as numbers, since they are bytes here.
  } else if constexpr (std::is_floating_point_v<T>) {
    std::ostringstream out;
    out.precision(17);
    out << value;
    return out.str();
  } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    return "\"" + std::string(std::string_view(value)) + "\"";
  } else if constexpr (requires(std::ostringstream& out) { out << value; }) {
    std::ostringstream out;
    out << value;
    return out.str();
  } else {
    return "<" + std::to_string(sizeof(T)) + " bytes>";
  }
}

// Integers of different sign are compared by value (-1 != 0xffffffff), all else by ==.
template <typename A, typename B>
bool equal(const A& a, const B& b) {
  constexpr bool kIntegers = std::is_integral_v<A> && std::is_integral_v<B>;
  if constexpr (kIntegers && std::is_signed_v<A> != std::is_signed_v<B>) {
    if constexpr (std::is_signed_v<A>) {
      return a >= 0 && static_cast<std::make_unsigned_t<A>>(a) == b;
    } else {
      return b >= 0 && a == static_cast<std::make_unsigned_t<B>>(b);
    }
  } else {
    return a == b;
  }
}

template <typename A, typename B>
bool checkEqual(const A& a, const B& b, const char* file, int line, const char* text) {
  if (equal(a, b)) return report(true, file, line, text, {});
  return report(false, file, line, text, "got " + show(a) + ", wanted " + show(b));
}

}  // namespace rve::test

#define TEST(name)                                                                       \
  static void name();                                                                    \
  static const ::rve::test::Registration name##_registration(#name, __FILE__, __LINE__, name); \
  static void name()

#define CHECK(...) \
  (void)::rve::test::report(static_cast<bool>(__VA_ARGS__), __FILE__, __LINE__, #__VA_ARGS__, {})

#define CHECK_EQ(got, wanted) \
  (void)::rve::test::checkEqual((got), (wanted), __FILE__, __LINE__, #got " == " #wanted)

#define REQUIRE(...)                                                                           \
  do {                                                                                         \
    if (!::rve::test::report(static_cast<bool>(__VA_ARGS__), __FILE__, __LINE__, #__VA_ARGS__, \
                             {}))                                                              \
      return;                                                                                  \
  } while (0)

#define REQUIRE_EQ(got, wanted)                                                             \
  do {                                                                                      \
    if (!::rve::test::checkEqual((got), (wanted), __FILE__, __LINE__, #got " == " #wanted)) \
      return;                                                                               \
  } while (0)

// A Status that must be ok; prints its code and message where it is not.
#define CHECK_OK(...) (void)RVE_TEST_STATUS_(__VA_ARGS__)
#define REQUIRE_OK(...)                      \
  do {                                       \
    if (!RVE_TEST_STATUS_(__VA_ARGS__)) return; \
  } while (0)
#define RVE_TEST_STATUS_(...)                                                         \
  [&] {                                                                               \
    const auto& test_status = (__VA_ARGS__);                                          \
    return ::rve::test::report(test_status.ok(), __FILE__, __LINE__, #__VA_ARGS__ " is ok", \
                               test_status.ok() ? std::string() : test_status.message()); \
  }()

#define SKIP(reason)            \
  do {                          \
    ::rve::test::skip(reason);  \
    return;                     \
  } while (0)
