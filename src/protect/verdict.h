// What proofs found, kept in the vault as evidence: docs/FORMAT.md, run/verify/.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "store/object_store.h"

namespace holdfast {

// Adds a verdict on `backup`, its id or the file name of an archive, with `facts` beside it; the
// object is plain. Two of one second are both kept: the later one says the next free second.
// Throws what the store throws.
void note_verdict(ObjectStore& store, const std::string& backup, Timestamp time,
                  const std::string& result,
                  const nlohmann::json& facts = nlohmann::json::object());

// The last good one for each backup.
std::vector<std::pair<std::string, Timestamp>> verified_times(ObjectStore& store);

}  // namespace holdfast
