// What the files of a log are good for: the one question about a log whose answer depends on the
// database. A new database adds its answer to log_use().
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "protect/log_inventory.h"
#include "settings/settings.h"

namespace holdfast {

enum class FileUse {
  kNeeded,   // a recovery that begins with one of the backups may read it
  kPast,     // comes before everything that such a recovery reads
  kOther,    // no backup leads to it: of a server without one, or of a timeline of its own
  kUnknown,  // nothing is known of files with such a name; never to be removed
};

// Says it of a file of one stream, by its name (not a piece's).
using FileUses = std::function<FileUse(const std::string& file)>;

// `backups` are those of the stream that the log has to lead on from; there may be none. Reads a
// few headers and, for PostgreSQL, the histories of timelines; with a key that cannot read content
// more counts as needed. Throws Error(kCorrupt) when what is needed to tell is damaged.
FileUses log_use(const Vault& vault, const LogFiles& log,
                 const std::vector<BackupSummary>& backups);

// Of `backups` (oldest first) those that the log has to lead on from, so that every moment of
// `policy.keep` can be recovered: the younger ones, and for each way that the log goes the newest
// that is older. All without a limit. Reads what log_use() reads.
std::vector<BackupSummary> within_depth(const Vault& vault, const LogFiles& log,
                                        std::vector<BackupSummary> backups,
                                        const LogPolicy& policy);

}  // namespace holdfast
