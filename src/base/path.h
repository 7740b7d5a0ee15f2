// Paths as stored in backups: bytes, '/'-separated, no leading or trailing '/', "" for the root.
#pragma once

#include <compare>
#include <string>
#include <string_view>

namespace holdfast {

// The order of a depth-first walk whose siblings are sorted by bytes: like comparing the bytes with
// '/' below every other byte. A directory comes before what is in it.
std::strong_ordering compare_paths(std::string_view a, std::string_view b);

// True when `path` is `ancestor` or lies below it; everything lies below "".
bool is_within(std::string_view path, std::string_view ancestor);

std::string_view parent_path(std::string_view path);  // "" for a top-level name
std::string_view base_name(std::string_view path);
std::string join_path(std::string_view directory, std::string_view name);

// "/a/./b//c/" -> "a/b/c". Relative paths are taken from the current directory. ".." is resolved
// by text. Throws Error(kInvalid) on an embedded NUL.
std::string stored_path(std::string_view given);

}  // namespace holdfast
