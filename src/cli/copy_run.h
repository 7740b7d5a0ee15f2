// One copy with its progress, log and result.
#pragma once

#include <string>

#include "cli/copies.h"
#include "cli/output.h"
#include "protect/copy.h"

namespace holdfast {

// Copies `from` to the place; the result as JSON. Throws what copy_vault and the store throw.
Json copy_to(Context& context, ObjectStore& from, const CopyPlace& to, const CopyJob& job);

}  // namespace holdfast
