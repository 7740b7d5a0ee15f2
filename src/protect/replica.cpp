#include "protect/replica.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "protect/copy_mark.h"
#include "vault/log_name.h"
#include "vault/require_vault.h"
#include "vault/vault.h"

namespace holdfast {
namespace {

bool is_lease(std::string_view key) { return key.starts_with("lease/"); }

// What a backup cannot be restored without.
bool is_needed(std::string_view key) {
  return key == "holdfast.json" || key.starts_with("data/") || key.starts_with("meta/") ||
         key.starts_with("index/");
}

void keep_newest(RecoveryPoints& points, const BackupName& name) {
  const auto [at, added] = points.try_emplace(name.backup_class, name);
  if (!added && at->second.time < name.time) at->second = name;
}

// Goes along both listings at once.
class Comparison {
 public:
  Comparison(const VaultListing& primary, Timestamp now) : objects_(primary.objects), now_(now) {
    status_.compared = true;
  }

  void see(const ObjectInfo& info);
  ReplicaStatus finish();

 private:
  struct Committed {
    BackupName name;
    Timestamp time{};
  };
  void miss(const ListedObject& object);
  void miss_log(const LogName& name, const ListedObject& object);
  void see_log(const LogName& name);
  void note_late(Timestamp committed);
  Timestamp first_missing() const;

  const std::vector<ListedObject>& objects_;
  const Timestamp now_;
  std::size_t at_ = 0;
  std::vector<Committed> present_;            // their objects are there
  std::vector<const ListedObject*> missing_;  // without which a backup may not be restored
  std::set<std::string> marks_;               // of what the copying run left out on purpose
  std::optional<Timestamp> first_late_;
  // By the key of their whole file, which comes right behind its pieces.
  std::multimap<std::string, ListedObject> missed_pieces_;
  std::multiset<Timestamp> late_log_;
  ReplicaStatus status_;
};

void Comparison::see(const ObjectInfo& info) {
  if (is_lease(info.key)) return;
  if (is_copy_mark(info.key)) marks_.insert(info.key);
  auto name = parse_backup_key(info.key);
  ++status_.content.objects;
  status_.content.bytes += info.size;
  if (name) ++status_.content.backups;
  const auto log = parse_log_key(info.key);
  if (log) {
    ++status_.content.log_objects;
    status_.content.log_bytes += info.size;
  }
  while (at_ < objects_.size() && objects_[at_].key < info.key) miss(objects_[at_++]);
  if (log && !log->piece) see_log(*log);
  if (at_ == objects_.size() || objects_[at_].key != info.key) {
    if (name) ++status_.extra_backups;
    return;
  }
  const ListedObject& wanted = objects_[at_++];
  if (log) return;  // whoever wrote it there may have sealed it by himself
  if (wanted.size != info.size) {
    miss(wanted);
  } else if (name) {
    present_.push_back({*std::move(name), wanted.modified});
  }
}

void Comparison::miss(const ListedObject& object) {
  ++status_.missing_objects;
  status_.missing_bytes += object.size;
  if (is_needed(object.key)) missing_.push_back(&object);
  if (parse_backup_key(object.key)) note_late(object.modified);
  if (const auto log = parse_log_key(object.key)) miss_log(*log, object);
}

void Comparison::miss_log(const LogName& name, const ListedObject& object) {
  late_log_.insert(object.modified);
  if (name.piece) missed_pieces_.emplace(name.whole().key(), object);
}

// With the whole file there its pieces are not late.
void Comparison::see_log(const LogName& name) {
  const auto [first, last] = missed_pieces_.equal_range(name.key());
  for (auto piece = first; piece != last; ++piece) {
    late_log_.erase(late_log_.find(piece->second.modified));
    --status_.missing_objects;
    status_.missing_bytes -= piece->second.size;
  }
  missed_pieces_.erase(first, last);
}

void Comparison::note_late(Timestamp committed) {
  ++status_.late_backups;
  first_late_ = std::min(first_late_.value_or(committed), committed);
}

// What is damaged at the primary was left out together with the backups that need it: those that
// are there do not.
Timestamp Comparison::first_missing() const {
  Timestamp first = Timestamp::max();
  for (const ListedObject* object : missing_) {
    if (!marks_.empty() && marks_.contains(copy_mark(object->key))) continue;
    first = std::min(first, object->modified);
  }
  return first;
}

ReplicaStatus Comparison::finish() {
  while (at_ < objects_.size()) miss(objects_[at_++]);
  const Timestamp incomplete = first_missing();
  for (const Committed& backup : present_) {
    if (backup.time >= incomplete) {
      note_late(backup.time);
    } else {
      keep_newest(status_.content.recovery_points, backup.name);
    }
  }
  status_.late_log_objects = late_log_.size();
  if (!late_log_.empty()) status_.log_lag = std::max(Duration{}, now_ - *late_log_.begin());
  if (first_late_) status_.lag = std::max(Duration{}, now_ - *first_late_);
  return std::move(status_);
}

void refuse_another_vault(const VaultListing& primary, ObjectStore& replica) {
  const auto id = vault_id_of(replica);
  if (!id || *id == primary.id) return;
  throw Error(Code::kConflict, replica.traits().url + " holds another vault",
              "check the address of the copy");
}

}  // namespace

VaultListing list_vault(ObjectStore& store) {
  VaultListing listing{require_vault(store, "check the address"), {}};
  store.list("", [&](const ObjectInfo& info) {
    if (!is_lease(info.key)) listing.objects.push_back({info.key, info.size, info.modified});
  });
  return listing;
}

RegionContent content_of(const VaultListing& listing) {
  RegionContent content;
  for (const ListedObject& object : listing.objects) {
    ++content.objects;
    content.bytes += object.size;
    if (parse_log_key(object.key)) {
      ++content.log_objects;
      content.log_bytes += object.size;
    }
    const auto name = parse_backup_key(object.key);
    if (!name) continue;
    ++content.backups;
    keep_newest(content.recovery_points, *name);
  }
  return content;
}

ReplicaStatus measure_replica(const VaultListing& primary, ObjectStore& replica, Timestamp now) {
  refuse_another_vault(primary, replica);
  Comparison comparison(primary, now);
  replica.list("", [&](const ObjectInfo& info) { comparison.see(info); });
  return comparison.finish();
}

// The primary first: what it writes meanwhile is not asked for.
ReplicaStatus measure_replica(ObjectStore& primary, ObjectStore& replica, Timestamp now) {
  return measure_replica(list_vault(primary), replica, now);
}

ReplicaStatus measure_replica_alone(ObjectStore& replica) {
  ReplicaStatus status;
  status.content = content_of(list_vault(replica));
  return status;
}

}  // namespace holdfast
