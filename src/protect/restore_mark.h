// The mark in a target that tells a restore that was interrupted from a directory that somebody
// else has filled.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace holdfast {

inline constexpr const char* kRestoreMark = ".holdfast-restore.json";

struct UnfinishedRestore {
  std::string backup;  // its id; "?" when the mark cannot be read
  bool target_was_empty = false;
  bool server = false;  // a whole one: the mark has no meaning any more where one could start
  std::string safety;   // the backup of what was there before; empty: none
};

// None where there is no mark, or one of a whole server's restore and a server could start: it was
// left behind by a crash before the first change, or after the last.
std::optional<UnfinishedRestore> unfinished_restore(const std::string& target);
// The mark, whatever it means.
std::optional<UnfinishedRestore> marked_restore(const std::string& target);
void mark_restore(const std::string& target, const UnfinishedRestore& restore);
void unmark_restore(const std::string& target);

// True for the file that a restore killed while it made its mark has left.
bool is_unmade_mark(std::string_view name);
// True when there is anything but such a file.
bool is_taken(const std::string& target);

}  // namespace holdfast
