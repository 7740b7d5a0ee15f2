// What of a vault cannot be copied because its source is damaged, and which backups need it: these
// stay behind, so that a copy never holds a backup that it cannot restore.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <unordered_set>
#include <vector>

#include "os/mutex.h"
#include "vault/chunk_reader.h"
#include "vault/vault.h"

namespace holdfast {

using ObjectSizes = std::map<std::string, std::uint64_t>;

struct CopyDamage {
  std::string object;
  std::string problem;
};

// What the copying run listed.
struct CopyListing {
  const ObjectSizes& source;
  const ObjectSizes& destination;
};

// One round of a copying run. `vault` is the source, opened with any key; without one nothing can
// be told of what needs what.
class CopyLoss {
 public:
  enum class Fate { kWhole, kLeftOut, kChanging };

  CopyLoss(ObjectStore& from, ObjectStore& to, CopyListing listing)
      : from_(from), to_(to), listing_(listing) {}

  // To be called before the packs are listed: what the index names must be among them.
  void read_index(const Vault& vault);
  bool has_index() const { return reader_ != nullptr; }
  // Packs that the index names and the source does not have. False when the source changes at this
  // moment, so that it has to be listed again.
  bool find_missing();

  // An object of the source that is not what its name says. `lost`: the destination has no good one
  // either. Thread-safe.
  void add(const std::string& key, const std::string& problem, bool lost);
  bool any_lost() const;
  std::vector<CopyDamage> damage() const;

  // Takes the segments that name lost packs out of `keys`, and writes them to the destination
  // without these: nobody there may believe that he has what they held.
  void write_reduced_index(std::vector<std::string>& keys);
  // What would become of the backup at the destination. To be asked when all packs and segments are
  // copied.
  Fate fate_of(const BackupName& name, std::stop_token stop);

  // Notes what is lost at the destination, for `region status` and for writers there.
  void write_marks();
  // Removes the notes of earlier runs about what has arrived since, or is needed no more.
  void lift_marks(std::stop_token stop);

 private:
  bool is_lost(const std::string& key) const;
  Fate fate_of(const ChunkId& id) const;
  bool has_arrived(const std::string& key, const std::stop_token& stop);
  std::set<PackName> packs_at_destination() const;

  ObjectStore& from_;
  ObjectStore& to_;
  const CopyListing listing_;
  const Vault* vault_ = nullptr;
  std::unique_ptr<ChunkReader> reader_;
  std::shared_ptr<const Index> index_;
  mutable Mutex mutex_;
  std::vector<CopyDamage> damage_ GUARDED_BY(mutex_);
  std::set<std::string> lost_ GUARDED_BY(mutex_);
  std::map<std::string, std::vector<PackName>> reduced_;  // segments, and what was left out of them
  std::unordered_set<ChunkId, ChunkIdHash> whole_;        // pages of which everything is there
};

}  // namespace holdfast
