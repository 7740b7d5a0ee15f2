// Sizes, rates and counts for people.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast {

// "1.5 GiB", "312 B".
std::string format_size(std::uint64_t bytes);
// "64M", "1GiB", "500", "2.5g"; powers of 1024. Throws Error(kInvalid).
std::uint64_t parse_size(std::string_view text);
// "1,234,567".
std::string format_count(std::uint64_t count);
// "3 files", "1 file".
std::string plural(std::uint64_t count, std::string_view noun);
// A path or name for a terminal: control characters and invalid UTF-8 as \xNN.
std::string printable(std::string_view text);
// The known word nearest to `word` (edit distance at most 2), or an empty string.
template <typename Words>
std::string nearest(std::string_view word, const Words& known);
std::size_t edit_distance(std::string_view a, std::string_view b);

template <typename Words>
std::string nearest(std::string_view word, const Words& known) {
  std::string best;
  std::size_t best_distance = 3;
  for (const auto& candidate : known) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = std::string(candidate);
    }
  }
  return best;
}

}  // namespace holdfast
