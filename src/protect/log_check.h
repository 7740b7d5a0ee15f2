// Proof that the log of databases is what was stored, and that it leads on from the backups.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "protect/log_use.h"
#include "settings/settings.h"
#include "source/postgres/log_facts.h"

namespace holdfast {

// One thing that is wrong with a log.
struct LogFinding {
  std::string object;  // the key; of a gap that of the first file that is missing
  std::string problem;
};

struct LogCheckJob {
  std::vector<BackupName> backups;  // from which the log has to lead on
  bool whole_vault = false;         // all log; else the streams of the backups
  unsigned read_percent = 0;        // of the objects to open to the last byte
  std::function<LogPolicy(const std::string& source)> policy = {};
};

struct LogCheckResult {
  std::vector<LogFinding> findings;
  std::vector<std::string> notes;     // what a person should know and is no damage, a line each
  std::vector<std::string> warnings;  // ... and should do something about
  std::uint64_t objects = 0;
  std::uint64_t objects_read = 0;
  std::uint64_t bytes_read = 0;
};

// What is wrong with one object; "" when nothing is. The header must open and fit the size of the
// object and its name; with `read` also every byte opens, and of a whole segment every record of
// the log is what the server wrote. `segment_size`: 0 when it is not known. Any key reads headers;
// a key that cannot read content leaves it at that. Throws kNotFound when it vanished, and what
// else is no matter of the object. `facts` becomes those of a whole segment: of its bytes when they
// were read, else those that its header has.
std::string log_object_problem(const Vault& vault, const LogObject& object,
                               std::uint32_t segment_size, bool read,
                               std::optional<LogFacts>* facts = nullptr);

// A gap, or pieces without a part in the middle, is a finding when it cuts off what recoveries from
// the backups could reach. Log that only began after a backup is a note, behind the newest a
// warning, when there is none before it either.
// Throws what the store throws, and kCancelled.
LogCheckResult check_log(const Vault& vault, const LogCheckJob& job, std::stop_token stop);

}  // namespace holdfast
