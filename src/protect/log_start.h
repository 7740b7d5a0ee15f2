// The segment of the log in which a backup ends, out of the backup: the log need not have it.
#pragma once

#include <cstdint>
#include <optional>

#include "source/postgres/log_facts.h"
#include "source/postgres/wal_file.h"
#include "vault/backup_object.h"
#include "vault/log_name.h"
#include "vault/vault.h"

namespace holdfast {

// The facts of `segment`, in which `backup` ends, as the backup holds it - when it is whole there
// and `next` is proven to go on where it ends, so that a recovery may use it in place of one from
// the log. `next` is an object of the segment behind it: whole, or the piece that reaches furthest.
// Nothing when that is not so, or cannot be known: with a key that may not read, when one of the
// two is damaged or in an archive tier. Reads the content of that segment, and of `next` only when
// a record lies across the border. Throws kCancelled, kUnavailable and the like.
std::optional<LogFacts> start_in_backup(const Vault& vault, const BackupName& backup,
                                        const WalSegment& segment, std::uint32_t segment_size,
                                        const LogName& next);

}  // namespace holdfast
