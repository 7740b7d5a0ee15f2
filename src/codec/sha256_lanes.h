// Sixteen SHA-256 streams at once in the lanes of vector registers: about twice as fast as the
// processor's SHA unit is with two streams.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace holdfast {

inline constexpr std::size_t kShaLanes = 16;

// word[i][j] is H_i of stream j.
struct alignas(64) LaneStates {
  std::uint32_t word[8][kShaLanes];
};

// True when the processor has what sha256_blocks_lanes needs: AVX-512.
bool has_sha256_lanes();

// Runs the compression function of FIPS 180-4 over `blocks` blocks of 64 bytes of each stream. Two
// streams may have the same data. Only where has_sha256_lanes(). Thread-safe.
void sha256_blocks_lanes(LaneStates& states, const std::array<const std::uint8_t*, kShaLanes>& data,
                         std::size_t blocks);

}  // namespace holdfast
