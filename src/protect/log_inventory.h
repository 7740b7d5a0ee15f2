// Everything that a store has of logs, and which backups of databases there are.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "vault/log_name.h"
#include "vault/vault.h"

namespace holdfast {

// One object of a log, as its store listed it.
struct LogObject {
  LogName name;
  std::uint64_t size = 0;
  Timestamp modified{};  // by the store's clock
};

// One stream of one source, in the order of the keys.
struct LogFiles {
  std::string source;
  std::string stream;
  std::vector<LogObject> objects;
  std::uint64_t bytes() const;
};

// All streams in the order of their keys, from one listing; needs no key. What is not named like a
// log object is handed to `foreign`, if set.
std::vector<LogFiles> list_log_files(
    ObjectStore& store, const std::function<void(const ObjectInfo& info)>& foreign = {});

using StreamName = std::pair<std::string, std::string>;  // source and stream

// True when a recovery can begin with a backup and go on with the log: a physical one, or a dump of
// MySQL that says where it is.
bool begins_recovery(const DatabaseFacts& facts);

// The backups that begin a recovery with the log, by the stream that they need, oldest first.
using LogUsers = std::map<StreamName, std::vector<BackupSummary>>;

enum class UnreadableBackups {
  kFail,     // Error(kCorrupt): then nobody knows what is needed
  kLeaveOut  // whoever calls names them elsewhere
};

// Of all `names` that are of databases; one that is gone meanwhile is left out. Several at once.
LogUsers read_log_users(const Vault& vault, const std::vector<BackupName>& names,
                        std::stop_token stop,
                        UnreadableBackups unreadable = UnreadableBackups::kFail);

// Those that begin a recovery with `log`. Of MariaDB and MySQL all of its source: which history of
// the log one leads into, the log itself has to say.
std::vector<BackupSummary> users_of(const LogUsers& users, const LogFiles& log);

}  // namespace holdfast
