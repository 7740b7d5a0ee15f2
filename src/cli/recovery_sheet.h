// The sheet of paper that opens a vault when everything else is lost.
#pragma once

#include <string>

#include "base/time.h"
#include "vault/keyring.h"

namespace holdfast {

// Plain text of less than 80 columns, to be printed. Throws Error(kDenied) when `ring` is no
// restorer's. The whole sheet is a valid --recovery-code-file.
std::string recovery_sheet(const KeyRing& ring, const std::string& url, Timestamp date);

}  // namespace holdfast
