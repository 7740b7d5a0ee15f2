// A second copy of a vault: ciphertext, in commit order, consistent at every moment.
#pragma once

#include <atomic>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "protect/copy_loss.h"
#include "protect/needed_pack.h"
#include "store/object_store.h"

namespace holdfast {

struct CopyJob {
  bool verify = false;  // read back what is there already and what was copied, and compare hashes
  bool dry_run = false;
  unsigned threads = 0;
  // The source, opened with any key, or nullptr; asked for when there are new backups or some were
  // left out. Unset: there is no key.
  std::function<const Vault*()> source_vault = {};
  // Called with what may be archived, before it is read there: returns when it can be. When the
  // source changes meanwhile, once more. With dry_run nothing is read for a copy.
  std::function<void(ObjectStore& store, std::vector<NeededPack> needed)> before_reading = {};
  // Called before the first copy into a place, when nothing is there yet: throws what speaks
  // against making a vault there. Not with dry_run.
  std::function<void(ObjectStore& to)> before_first = {};
};

struct CopyProgress {
  std::atomic<std::uint64_t> total_objects{0};
  std::atomic<std::uint64_t> total_bytes{0};
  std::atomic<std::uint64_t> objects{0};
  std::atomic<std::uint64_t> bytes{0};
};

struct CopyResult {
  std::uint64_t objects = 0;  // copied
  std::uint64_t bytes = 0;
  std::uint64_t present = 0;  // there already
  std::uint64_t backups = 0;  // backup objects copied
  std::uint64_t verified_objects = 0;
  std::uint64_t unverified_objects = 0;  // cannot be read now: they lie in an archive tier
  std::uint64_t healed = 0;              // damaged at the destination, copied again
  // Objects of a log that somebody else has written there under the same name, which only a key
  // could compare: they are present, and were not verified.
  std::uint64_t other_writings = 0;
  std::uint64_t removed_pieces = 0;  // of log files that are there as a whole now
  std::vector<CopyDamage> damage;    // packs and segments of the source that are damaged or missing
  std::vector<BackupName> left_out;  // need what is damaged
  bool needs_key = false;            // without one, left_out is all that is not there yet
  Duration duration{};
};

// Copies holdfast.json and keys, then packs, index segments, doom, logs and at last backup objects,
// each only when all that it needs is there; then the ordinary archives that lie beside them. Needs
// no key as long as the source is whole: packs and segments that are damaged there stay behind, and
// which backups need them only a key can tell; these stay behind, too, without a key all that are
// new. With a key packs that are missing are noticed as well. The next copy brings what was healed.
// An interrupted copy goes on where it was. Holds the exclusive lease "copy" at the
// destination. Pieces of a log that whole files have replaced at the source go at the destination
// once the whole is there. Throws kConflict when another copy is at work there, or log is being
// removed, or it holds another vault or something else, kCorrupt when the destination gives back
// other bytes than it was sent.
CopyResult copy_vault(ObjectStore& from, ObjectStore& to, const CopyJob& job,
                      CopyProgress& progress, std::stop_token stop);

}  // namespace holdfast
