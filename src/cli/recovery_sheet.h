// The sheet of paper that opens a vault when everything else is lost.
#pragma once

#include <string>
#include <vector>

#include "base/time.h"
#include "cli/context.h"
#include "vault/keyring.h"

namespace holdfast {

// The vault or a copy of it, as a machine without our configuration has to be told.
struct SheetPlace {
  std::string name;
  std::string url;
  std::string endpoint;  // of S3; empty: a directory
  std::string region;
  bool own_authority = false;  // its certificate is of an authority that machines do not know
};

// The vault at `url`, then its copies as the configuration names them.
std::vector<SheetPlace> sheet_places(Context& context, const std::string& url);

// Plain text for one page, of less than 80 columns unless an address is longer. Throws
// Error(kDenied) when `ring` is no restorer's. The whole sheet is a valid --recovery-code-file.
std::string recovery_sheet(const KeyRing& ring, const std::vector<SheetPlace>& places,
                           Timestamp date);

}  // namespace holdfast
