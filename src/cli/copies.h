// The further vaults with the same backups.
#pragma once

#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/session.h"
#include "store/open_store.h"

namespace holdfast {

struct CopyPlace {
  CopySettings settings;
  OpenStoreOptions options;  // how to reach it
};

// Those of the configuration; without any, and with $BACKUP_BUCKET and $DR_REGION: the one at
// s3://$BACKUP_BUCKET-$DR_REGION, named after the region.
std::vector<CopyPlace> copies_of(Context& context);

// The one of that name. Throws Error(kNotFound) that lists all.
CopyPlace find_copy(Context& context, const std::string& name);

// Its vault, with the keys of the vault that it is a copy of. Any thread.
OpenedVault open_copy(Context& context, const CopyPlace& place, const KeyRing& ring);

}  // namespace holdfast
