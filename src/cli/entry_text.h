// Entries of a backup for people and as JSON.
#pragma once

#include <string>

#include "cli/output.h"
#include "vault/entry.h"

namespace holdfast {

// "file", "directory", "symlink", "hardlink", "fifo", "char-device", "block-device".
std::string_view type_name(EntryType type);
// As ls -l prints it: "-rw-r--r-- root root     1.5 KiB 2025-11-10 12:00:00 etc/hosts". An absolute
// path, with the target of a link.
std::string long_line(const Entry& entry);
// "/etc/hosts"; directories end in '/'.
std::string short_line(const Entry& entry);
Json entry_json(const Entry& entry);

}  // namespace holdfast
