// The summaries of many backups, read side by side.
#pragma once

#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "vault/vault.h"

namespace holdfast {

struct ReadSummary {
  std::optional<BackupSummary> summary;  // nothing: it cannot be read
  std::string problem;
};

// One for each of `names`, in their order. What is damaged or gone has a problem instead of a
// summary; other errors, such as a store that is away, are thrown.
std::vector<ReadSummary> read_summaries(const Vault& vault, const std::vector<BackupName>& names,
                                        std::stop_token stop);

using VerifiedTimes = std::map<std::string, Timestamp>;
// When each backup id was last validated and found good.
VerifiedTimes verified_by_id(ObjectStore& store);

}  // namespace holdfast
