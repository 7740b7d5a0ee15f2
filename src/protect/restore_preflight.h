// What a restore finds out before it changes anything at its target.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>

#include "protect/restore.h"
#include "vault/chunk_reader.h"
#include "vault/lease.h"

namespace holdfast {

// Keeps a prune from removing packs under our hands. Without the right to write there is none: then
// packs that a prune moves are looked up again. Throws what else keeps Lease from being made.
std::unique_ptr<Lease> lease_if_allowed(const Vault& vault);

struct RestoreNeeds {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;  // their sizes
  std::uint64_t space = 0;  // at most, beyond what the files hold that are there already
};

// Throws kConflict, with the ways out, when the target holds an unfinished restore of another
// backup.
void refuse_other_unfinished(const RestoreJob& job);

// Throws kDenied when the key could not read the root of `backup`.
void require_readable(const StoredBackup& backup);

// Throws what refuse_other_unfinished() and require_readable() throw, kNotFound when nothing in the
// backup fits the includes, kCancelled. Does not ask whether the space is free.
RestoreNeeds preflight_restore(const Vault& vault, const RestoreJob& job, std::stop_token stop);
// With a reader that will be used again.
RestoreNeeds preflight_restore(ChunkReader& reader, const StoredBackup& backup,
                               const RestoreJob& job, const std::stop_token& stop);

// Throws kExhausted when the target has less room, unless `job` says to ignore that.
void require_room(const RestoreJob& job, const RestoreNeeds& needs);

}  // namespace holdfast
