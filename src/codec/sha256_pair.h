// Two SHA-256 streams at once: one stream leaves half of the processor's SHA unit idle, since each
// of its instructions waits for the one before.
#pragma once

#include <cstddef>
#include <cstdint>

namespace holdfast {

// True when the processor has what sha256_blocks_pair needs.
bool has_sha256_pair();

// Runs the compression function of FIPS 180-4 over `blocks` blocks of 64 bytes of each stream.
// States are the eight words H0..H7. Only where has_sha256_pair(). Thread-safe.
void sha256_blocks_pair(std::uint32_t* state_a, const std::uint8_t* data_a, std::uint32_t* state_b,
                        const std::uint8_t* data_b, std::size_t blocks);

}  // namespace holdfast
