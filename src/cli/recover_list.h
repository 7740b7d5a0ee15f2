// What can be recovered, for people and for programs.
#pragma once

#include <string>
#include <vector>

#include "cli/output.h"
#include "cli/recoverable.h"
#include "cli/recoverable_archive.h"

namespace holdfast {

// A table, one line a source, and what is wrong with their logs.
std::string recoverable_text(const std::vector<RecoverableSource>& sources, Timestamp now);
Json recoverable_json(const std::vector<RecoverableSource>& sources, Timestamp now);

// The same of archives: which, when, how large, whether sealed, and whether it comes back.
std::string recoverable_text(const std::vector<RecoverableArchive>& archives, Timestamp now);
Json recoverable_json(const std::vector<RecoverableArchive>& archives, Timestamp now);

// The word as a shell takes it for one word.
std::string shell_word(const std::string& word);

}  // namespace holdfast
