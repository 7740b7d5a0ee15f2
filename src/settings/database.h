// The keys of a source of class database. Inside the room.
#pragma once

#include <string>

#include "settings/fields.h"
#include "settings/settings.h"

namespace holdfast {

// Reads what is left of `source`. Throws Error(kInvalid) "FILE:LINE: ...".
void read_database(const Fields& fields, const std::string& where, SourceSettings& source);

}  // namespace holdfast
