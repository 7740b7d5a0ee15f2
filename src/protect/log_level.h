// Where a log stops being replayable: the server went on with wal_level = minimal.
#pragma once

#include <string>

#include "vault/log_name.h"
#include "vault/vault.h"

namespace holdfast {

// Before an object of a segment is stored whose header says that (`facts`, see LogFacts): a mark
// beside it, so that a listing tells without reading every header. Does nothing for other facts.
// Throws as store_log() does.
void mark_level_drop(const Vault& vault, const LogName& object, const std::string& facts);

}  // namespace holdfast
