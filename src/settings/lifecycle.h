// The section 'lifecycle' of the configuration. Inside the room.
#pragma once

#include "settings/fields.h"
#include "settings/settings.h"

namespace holdfast {

// Throws Error(kInvalid) "FILE:LINE: ...".
LifecycleSettings read_lifecycle(const Field& field);

}  // namespace holdfast
