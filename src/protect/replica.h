// How far a second copy of a vault is, by what really arrived there. From listings alone: needs no
// key, and does not ask who fills the copy.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "store/object_store.h"
#include "vault/backup_object.h"
#include "vault/ids.h"

namespace holdfast {

// One object of a vault, as its store listed it.
struct ListedObject {
  std::string key;
  std::uint64_t size = 0;
  Timestamp modified{};  // by the store's clock
};

// Everything in a vault but the leases, in the order of the keys.
struct VaultListing {
  VaultId id{};
  std::vector<ListedObject> objects;
};
// Throws Error(kNotFound) when there is no vault.
VaultListing list_vault(ObjectStore& store);

// The newest backup of each class.
using RecoveryPoints = std::map<std::string, BackupName>;

struct RegionContent {
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
  std::uint64_t log_objects = 0;  // of the databases' logs
  std::uint64_t log_bytes = 0;
  std::uint64_t backups = 0;  // backup objects, whether all that they need is there or not
  RecoveryPoints recovery_points;
};
RegionContent content_of(const VaultListing& listing);

struct ReplicaStatus {
  // With a primary to compare with, the recovery points are backups that arrived in full; without
  // one, the backups whose own objects are there.
  RegionContent content;
  bool compared = false;
  // All below: only when compared.
  std::uint64_t missing_objects = 0;  // absent, or of another size
  std::uint64_t missing_bytes = 0;
  std::uint64_t late_backups = 0;   // committed at the primary and not yet arrived
  std::uint64_t extra_backups = 0;  // here, and at the primary no longer
  Duration lag{};                   // the age of the oldest late backup; 0: none is late
  // Of the databases' logs. One that came there by itself may have another size.
  std::uint64_t late_log_objects = 0;
  Duration log_lag{};  // how long ago the oldest of them was stored at the primary; 0: none is late
};

// A backup has arrived when its object is there and every pack and index segment that the primary
// has and wrote no later, each with its size, but for those that a copying run left out because
// they are damaged at the primary (it leaves out who needs them, too). What was pruned at the
// primary does not count; what a prune moved to newer packs is not asked for, since a listing
// cannot tell whose it is. `now` is the time by the primary's clock, at its listing. Throws
// Error(kConflict) when the replica holds another vault, and what the store throws. A replica
// without a vault has everything missing.
ReplicaStatus measure_replica(const VaultListing& primary, ObjectStore& replica, Timestamp now);
ReplicaStatus measure_replica(ObjectStore& primary, ObjectStore& replica, Timestamp now);

// When the primary cannot be asked: what the replica alone tells. Throws Error(kNotFound) when it
// holds no vault.
ReplicaStatus measure_replica_alone(ObjectStore& replica);

}  // namespace holdfast
