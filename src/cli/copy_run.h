// One copy with its progress, log and result.
#pragma once

#include <string>

#include "cli/copies.h"
#include "cli/output.h"
#include "cli/thaw.h"
#include "protect/copy.h"

namespace holdfast {

// Copies `from` to the place, what is archived after it was asked for; the result as JSON. Throws
// what copy_vault, bring_from_archive and the store throw.
Json copy_to(Context& context, ObjectStore& from, const CopyPlace& to, const CopyJob& job,
             const ThawOptions& thaw);

}  // namespace holdfast
