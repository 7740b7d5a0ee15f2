// Values that several sections of the configuration have. Inside the room; everything throws
// Error(kInvalid) "FILE:LINE: WHAT: ...".
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/time.h"
#include "settings/fields.h"

namespace holdfast {

std::string read_path(const Field& field);  // absolute; "~/" is replaced
std::string read_url(const Field& field);   // of a vault: a URL or a path
// One text for all spellings of a place: "file:///srv//v/" and "/srv/v" are the same.
std::string store_place(std::string_view url);
std::string read_name(const Field& field);  // of a source or copy
std::string read_storage_class(const Field& field);

// A duration from `least` to `most`; `range` names both: "1s to 1h".
Duration read_between(const Field& field, Duration least, Duration most, std::string_view range);

// The longest that S3 takes for a lock or a lifecycle rule: a hundred years.
inline constexpr std::chrono::days kMostDays{36'500};

// A word that stands for a value.
template <typename Value>
struct Choice {
  std::string_view word;
  Value value;
};

[[noreturn]] void refuse_word(const Field& field, std::string_view word, Keys known);

template <typename Value, std::size_t kCount>
Value read_choice(const Field& field, const std::array<Choice<Value>, kCount>& choices) {
  const std::string text = field.text();
  std::array<std::string_view, kCount> words;
  for (std::size_t i = 0; i < kCount; ++i) {
    if (choices[i].word == text) return choices[i].value;
    words[i] = choices[i].word;
  }
  refuse_word(field, text, words);
}

}  // namespace holdfast
