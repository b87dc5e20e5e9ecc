// Little-endian loads and stores, and the only reinterpret_casts of the project. All targets
// (x86-64, arm64, riscv64) are little-endian; a big-endian build is refused here rather than
// writing foreign files.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include "base/assert.hpp"

namespace rve {

static_assert(std::endian::native == std::endian::little, "the disk format is little-endian");

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

// Reads one plain value at `offset`; any alignment. Requires: it lies inside `bytes`.
template <typename T>
T load(Bytes bytes, size_t offset) {
  static_assert(std::is_trivially_copyable_v<T>);
  RVE_ASSERT(offset <= bytes.size() && sizeof(T) <= bytes.size() - offset);
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

template <typename T>
void store(MutableBytes bytes, size_t offset, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  RVE_ASSERT(offset <= bytes.size() && sizeof(T) <= bytes.size() - offset);
  std::memcpy(bytes.data() + offset, &value, sizeof(T));
}

// Views bytes as an array of T. Requires: aligned for T (matrices are, to 64 bytes).
template <typename T>
const T* viewAs(const std::byte* at) {
  static_assert(std::is_trivially_copyable_v<T>);
  return reinterpret_cast<const T*>(at);
}

template <typename T>
T* viewAsMutable(std::byte* at) {
  static_assert(std::is_trivially_copyable_v<T>);
  return reinterpret_cast<T*>(at);
}

// The bytes of a plain array.
template <typename T>
Bytes bytesOf(const T* data, size_t count) {
  static_assert(std::is_trivially_copyable_v<T>);
  return {reinterpret_cast<const std::byte*>(data), count * sizeof(T)};
}

// Whether every byte is zero: what a format reserves is written so, and checked.
inline bool allZero(Bytes bytes) {
  for (const std::byte b : bytes) {
    if (b != std::byte{0}) return false;
  }
  return true;
}

// The address as a number, for alignment and range checks.
inline uintptr_t addressOf(const void* at) { return reinterpret_cast<uintptr_t>(at); }

// Rounds up to a multiple. Requires: multiple is a power of two.
constexpr uint64_t roundUp(uint64_t value, uint64_t multiple) {
  return (value + multiple - 1) & ~(multiple - 1);
}

constexpr uint64_t divideUp(uint64_t value, uint64_t by) { return (value + by - 1) / by; }

}  // namespace rve
