// What a damaged log lacks, and whether another copy of it is good.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "protect/log_use.h"
#include "settings/settings.h"

namespace holdfast {

struct LogFault {
  std::string key;
  std::string problem;
};

// Every object of a log is read to its last byte: those that are damaged, and when there is another
// copy those that it has and this vault lacks, although recoveries from the backups here need them.
// A piece is not asked for when the whole file is anywhere. Throws what the stores throw; what is
// damaged in the other copy is handed to `trouble`.
std::vector<LogFault> find_log_faults(
    const Vault& vault, ObjectStore* other,
    const std::function<LogPolicy(const std::string& source)>& policy,
    const std::function<void(const std::string& text)>& trouble, std::stop_token stop);

// Throws Error(kCorrupt) when `object` is not a sound one of that name.
void require_sound_log(const Vault& vault, Bytes object, const LogName& name);

}  // namespace holdfast
