// The section 'stores' of the configuration. Inside the room.
#pragma once

#include <vector>

#include "settings/fields.h"
#include "settings/settings.h"

namespace holdfast {

// In the order of the file, each url once. Throws Error(kInvalid) "FILE:LINE: ...".
std::vector<StoreSettings> read_stores(const Field& list);

// "https://HOST[:PORT]" or with http.
std::string read_endpoint(const Field& field);

}  // namespace holdfast
