// Choosing among the archives of a store, and what the configuration says of each.
#pragma once

#include <string_view>
#include <vector>

#include "protect/archive_name.h"
#include "settings/settings.h"

namespace holdfast {

// True when `wanted` can only mean an archive: a key or the name of a file.
bool names_archive(std::string_view wanted);

// A key, a file name, a beginning of one that fits one alone, "latest" or "latest:SOURCE" (of what
// the archives themselves are called: SOURCE-DATABASE). Throws kNotFound, kInvalid when several
// fit.
StoredArchive find_archive(const std::vector<StoredArchive>& archives, std::string_view wanted);

// The source that an archive is of: of that name, or whose name it begins with (SOURCE-DATABASE).
// Null when the configuration has none.
const SourceSettings* source_of_archive(const Settings& settings, const ArchiveName& name);

// The policy for an archive: the source's `archive: retention`, else as for its other backups.
RetentionPolicy retention_for_archive(const Settings& settings, const ArchiveName& name);

}  // namespace holdfast
