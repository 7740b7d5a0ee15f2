// The keys of a source that say where its backups go. Inside the room.
#pragma once

#include <string>

#include "settings/fields.h"
#include "settings/settings.h"

namespace holdfast {

// Reads 'format' and 'archive'; everything else of `source` has been read. Throws Error(kInvalid)
// "FILE:LINE: ...".
void read_archive(const Fields& fields, const std::string& where, SourceSettings& source);

// A retention policy; `where` as in Fields.
RetentionPolicy read_policy(const Field& field, const std::string& where);

}  // namespace holdfast
