// HMAC-SHA-256 of many messages in the lanes of sha256_lanes.h.
#pragma once

#include <array>
#include <span>

#include "base/bytes.h"

namespace holdfast {

using ShaWords = std::array<std::uint32_t, 8>;  // H0 to H7

// Fewer messages than this leave too many lanes idle.
inline constexpr std::size_t kLanesWorth = 9;

// The MACs of `messages` under the key whose two blocks lead to `inner` and `outer`. `out` has as
// many elements as `messages`. Only where has_sha256_lanes(). Thread-safe.
void hmac_lanes(const ShaWords& inner, const ShaWords& outer, std::span<const ByteView> messages,
                std::span<std::array<std::uint8_t, 32>> out);

}  // namespace holdfast
