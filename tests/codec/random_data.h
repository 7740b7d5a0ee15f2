// Reproducible data that looks random.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"

namespace holdfast {

// The 64-bit linear congruential generator of Knuth's MMIX; its upper bits are good enough.
class Lcg {
 public:
  explicit Lcg(std::uint64_t seed) : state_(seed) {}
  std::uint32_t next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::uint32_t>(state_ >> 32);
  }
  // Below `limit`.
  std::uint32_t below(std::uint32_t limit) {
    return static_cast<std::uint32_t>(std::uint64_t{next()} * limit >> 32);
  }

 private:
  std::uint64_t state_;
};

inline Bytes lcg_bytes(std::size_t size, std::uint64_t seed) {
  Lcg lcg(seed);
  Bytes bytes(size);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(lcg.next() >> 24);
  return bytes;
}

template <std::size_t Size>
std::array<std::uint8_t, Size> lcg_array(std::uint64_t seed) {
  std::array<std::uint8_t, Size> out;
  Lcg lcg(seed);
  for (std::uint8_t& byte : out) byte = static_cast<std::uint8_t>(lcg.next() >> 24);
  return out;
}

}  // namespace holdfast
