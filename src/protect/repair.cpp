#include "protect/repair.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "protect/log_copy.h"
#include "protect/log_repair.h"
#include "protect/object_transfer.h"
#include "protect/pack_check.h"
#include "protect/reachability.h"
#include "vault/doom.h"
#include "vault/lease.h"

namespace holdfast {
namespace {

bool is_damage(const Error& error) {
  return error.code() == Code::kCorrupt || error.code() == Code::kNotFound;
}

class Repair {
 public:
  Repair(const Vault& vault, const RepairJob& job, std::stop_token stop)
      : vault_(vault), store_(vault.store()), job_(job), stop_(std::move(stop)) {}

  RepairResult run();

 private:
  bool everything_is_reachable();
  void fetch_missing();
  void list_packs_and_index(std::vector<NeededPack>& objects);
  void check_small_objects();
  void check_backups();
  void check_packs();
  void check_logs();
  void check_segments();
  void index_unknown_packs();
  void drop_lost_packs();
  void quarantine_still_named();
  void lift_doom();
  bool fetch(const std::string& key);
  void announce(ObjectStore& store, std::vector<NeededPack> packs, std::set<std::string>& unread);
  std::vector<NeededPack> damaged_packs();
  bool take_away(const std::string& key);
  bool is_sound_pack(const std::string& key, std::uint64_t size);
  void stop_if_asked() const {
    if (stop_.stop_requested()) throw Error(Code::kCancelled, "interrupted");
  }
  void did(std::string what) { result_.actions.push_back(std::move(what)); }
  void left(std::string what) { result_.unrepaired.push_back(std::move(what)); }

  const Vault& vault_;
  ObjectStore& store_;
  const RepairJob& job_;
  std::stop_token stop_;
  std::shared_ptr<const Index> index_;
  // In an archive, and left there by a dry run: in this vault, in the other copy.
  std::set<std::string> unread_, unread_there_;
  std::set<PackName> sound_;        // read from end to end
  std::set<PackName> still_named_;  // lost, and in a segment that cannot be removed
  RepairResult result_;
};

// Removes what is damaged. A lock need not be in the way: in a versioned bucket the object goes out
// of sight, and its bytes stay. False where the store refuses.
bool Repair::take_away(const std::string& key) {
  try {
    store_.remove(key);
    return true;
  } catch (const Error& error) {
    const auto until = store_.locked_until(key);
    if (!until || error.code() != Code::kDenied) throw;
    left(key + " cannot be removed before its lock ends at " + format_rfc3339(*until));
    return false;
  }
}

// Replaces an object by the other copy's, whose bytes must be those of its name. False when there
// is no good one.
bool Repair::fetch(const std::string& key) {
  if (job_.other == nullptr) return false;
  const auto info = job_.other->stat(key);
  if (!info) return false;
  if (unread_there_.contains(key)) {
    ++result_.restored_objects;
    did("would ask for in the archive tier and take from the other copy: " + key);
    return true;
  }
  const auto object = store_.stage();
  const Digest digest = hash_object(*job_.other, key, info->size, stop_,
                                    [&](ByteView part) { object->append(part); });
  if (const auto named = hash_in_name(key); named && *named != digest) return false;
  if (const auto backup = parse_backup_key(key)) {
    decode_backup(job_.other->get(key), vault_.ring(), *backup);  // throws when it is no better
  }
  if (const auto log = parse_log_key(key)) {
    require_sound_log(vault_, job_.other->get(key), *log);
  }
  if (!job_.dry_run && !take_away(key)) return false;
  ++result_.restored_objects;
  did((job_.dry_run ? "would take from the other copy: " : "taken from the other copy: ") + key);
  if (job_.dry_run) return true;
  object->commit(key, to_hex(digest));
  return true;
}

// All at once: each wait for an archive may take hours.
void Repair::announce(ObjectStore& store, std::vector<NeededPack> packs,
                      std::set<std::string>& unread) {
  if (!job_.before_reading || packs.empty()) return;
  std::set<std::string> left_out;
  for (const NeededPack& pack : packs) left_out.insert(pack.key);
  job_.before_reading(store, packs);
  for (const NeededPack& pack : packs) left_out.erase(pack.key);
  unread.merge(left_out);
}

bool Repair::everything_is_reachable() {
  try {
    const std::vector<BackupName> backups = list_backups(store_);
    reachable_from(vault_, backups, vault_.load_index(), {}, stop_);
    return true;
  } catch (const Error& error) {
    if (!is_damage(error)) throw;
    return false;
  }
}

// Only when a backup misses something: the other copy may keep more than this one, for longer.
void Repair::fetch_missing() {
  if (job_.other == nullptr) return;
  std::vector<NeededPack> objects;
  job_.other->list("keys/", [&](const ObjectInfo& info) {
    objects.push_back({info.key, info.size});
  });
  if (!everything_is_reachable()) list_packs_and_index(objects);
  std::erase_if(objects, [&](const NeededPack& object) {
    stop_if_asked();
    return store_.stat(object.key).has_value();
  });
  std::vector<NeededPack> packs;
  std::copy_if(objects.begin(), objects.end(), std::back_inserter(packs),
               [](const NeededPack& object) { return parse_pack_key(object.key).has_value(); });
  announce(*job_.other, std::move(packs), unread_there_);
  for (const NeededPack& object : objects) {
    stop_if_asked();
    fetch(object.key);
  }
}

void Repair::list_packs_and_index(std::vector<NeededPack>& objects) {
  std::vector<NeededPack> all;
  for (const char* prefix : {"data/", "meta/", "index/"}) {
    job_.other->list(prefix, [&](const ObjectInfo& info) { all.push_back({info.key, info.size}); });
  }
  const auto index = Index::load(*job_.other, vault_.ring(), "");
  for (const std::string& problem : index->problems()) left("in the other copy: " + problem);
  std::set<std::string> named;
  for (const Segment& segment : index->segments()) {
    for (std::uint32_t i = 0; i < segment.packs(); ++i) {
      const SegmentPack pack = segment.pack(i);
      named.insert(pack_key(pack.pack_class, pack.name));
    }
  }
  for (const NeededPack& object : all) {
    // Packs that are waste over there are not brought back.
    if (!parse_pack_key(object.key) || named.contains(object.key)) objects.push_back(object);
  }
}

void Repair::check_segments() {
  for (const ObjectInfo& info : list_objects(store_, "index/")) {
    stop_if_asked();
    const auto name = parse_segment_key(info.key);
    if (!name) continue;
    try {
      Segment::from_memory(*name, read_segment(store_, vault_.ring(), *name)).check();
    } catch (const Error& error) {
      if (!is_damage(error)) throw;
      if (fetch(info.key)) continue;
      // Nothing is lost with it: every pack has its own table of contents.
      if (!job_.dry_run && !take_away(info.key)) continue;
      did(fmt::format("{}: {}; its packs are indexed again", info.key, error.message()));
      ++result_.removed_segments;
    }
  }
}

// Keys and doom. Doom that cannot be read blocks every backup and prune; without it nothing is
// removed that was not marked again, and damage is found again by the next validation.
void Repair::check_small_objects() {
  for (const char* prefix : {"keys/", "doom/"}) {
    for (const ObjectInfo& info : list_objects(store_, prefix)) {
      stop_if_asked();
      const bool is_doom = info.key.starts_with("doom/");
      try {
        const Bytes object = store_.get(info.key);
        if (is_doom) {
          parse_doom(object, vault_.ring(), std::string_view(info.key).substr(5));
        } else {
          parse_wrapped_key(object);
        }
      } catch (const Error& error) {
        if (!is_damage(error)) throw;
        if (error.code() == Code::kNotFound) continue;
        if (is_doom) {
          if (!job_.dry_run && !take_away(info.key)) continue;
          did(info.key + ": damaged and removed; what it noted is found again");
        } else if (!fetch(info.key)) {
          left(info.key + ": " + error.message());
        }
      }
    }
  }
}

bool Repair::is_sound_pack(const std::string& key, std::uint64_t size) {
  const Index empty;
  PackCheck check = check_pack(vault_, index_ ? *index_ : empty, key, size, stop_);
  return !check.whole_pack_lost && check.bad_chunks.empty() &&
         (check.content_checked || check.problem.empty());
}

std::vector<NeededPack> Repair::damaged_packs() {
  std::vector<NeededPack> packs, damaged;
  for (const char* prefix : {"data/", "meta/"}) {
    for (const ObjectInfo& info : list_objects(store_, prefix)) {
      if (parse_pack_key(info.key)) packs.push_back({info.key, info.size});
    }
  }
  announce(store_, packs, unread_);
  for (NeededPack& pack : packs) {
    stop_if_asked();
    if (unread_.contains(pack.key)) continue;
    if (is_sound_pack(pack.key, pack.size)) {
      sound_.insert(parse_pack_key(pack.key)->second);
    } else {
      damaged.push_back(std::move(pack));
    }
  }
  return damaged;
}

void Repair::check_packs() {
  index_ = vault_.load_index();
  const std::vector<NeededPack> damaged = damaged_packs();
  if (job_.other != nullptr) announce(*job_.other, damaged, unread_there_);
  for (const NeededPack& pack : damaged) {
    stop_if_asked();
    if (fetch(pack.key)) {
      sound_.insert(parse_pack_key(pack.key)->second);
    } else {
      left(pack.key + " is damaged; what it held comes back with the next backup that has it");
    }
  }
}

void Repair::index_unknown_packs() {
  if (!job_.dry_run) index_ = vault_.load_index();
  std::set<PackName> known;
  for (const Segment& segment : index_->segments()) {
    for (std::uint32_t i = 0; i < segment.packs(); ++i) known.insert(segment.pack(i).name);
  }
  SegmentBuilder builder;
  for (const char* prefix : {"data/", "meta/"}) {
    for (const ObjectInfo& info : list_objects(store_, prefix)) {
      const auto named = parse_pack_key(info.key);
      if (!named || known.contains(named->second) || unread_.contains(info.key)) continue;
      try {
        builder.add(read_pack_contents(store_, info.key, info.size, vault_.ring()));
        ++result_.reindexed_packs;
      } catch (const Error& error) {
        if (!is_damage(error)) throw;
        left(info.key + " is in no index and cannot be read: " + error.message());
      }
    }
  }
  if (result_.reindexed_packs == 0) return;
  did(fmt::format("{} that no index knew {}", result_.reindexed_packs,
                  job_.dry_run ? "would be indexed" : "are indexed again"));
  if (!job_.dry_run) write_segment(store_, vault_.ring(), builder.build());
}

// What the index promises and no store has: without these entries the next backup stores it anew.
void Repair::drop_lost_packs() {
  std::map<PackName, NeededPack> missing;
  for (const Segment& segment : index_->segments()) {
    for (std::uint32_t i = 0; i < segment.packs(); ++i) {
      const SegmentPack pack = segment.pack(i);
      const std::string key = pack_key(pack.pack_class, pack.name);
      if (!missing.contains(pack.name) && !store_.stat(key)) missing[pack.name] = {key, pack.size};
    }
  }
  if (job_.other != nullptr) {
    std::vector<NeededPack> packs;
    for (const auto& [name, pack] : missing) packs.push_back(pack);
    announce(*job_.other, std::move(packs), unread_there_);
  }
  std::set<PackName> lost;
  for (const auto& [name, pack] : missing) {
    if (fetch(pack.key)) continue;
    lost.insert(name);
    left(pack.key + " is lost; what it held comes back with the next backup that has it");
  }
  if (lost.empty() || job_.dry_run) return;
  for (const auto& [pack, until] :
       drop_from_index(store_, vault_.ring(), lost, LockedSegments::kTry)) {
    still_named_.insert(pack);
  }
  quarantine_still_named();
}

// A locked segment keeps promising what is lost: backups must not rely on it.
void Repair::quarantine_still_named() {
  std::set<PackName> missing = still_named_;
  for (const StoredDoom& stored : read_dooms(store_, vault_.ring())) {
    if (stored.doom.reason != DoomReason::kDamaged || !stored.doom.chunks.empty()) continue;
    for (const PackName& pack : stored.doom.packs) missing.erase(pack);
  }
  if (missing.empty()) return;
  write_doom(store_, vault_.ring(), {DoomReason::kDamaged, {missing.begin(), missing.end()}, {}});
  did(fmt::format("{} lost packs are noted: locked index segments still name them",
                  missing.size()));
}

void Repair::check_backups() {
  std::set<std::string> keys;
  for (const BackupName& name : list_backups(store_)) keys.insert(name.key());
  if (job_.other != nullptr) {
    for (const BackupName& name : list_backups(*job_.other)) keys.insert(name.key());
  }
  for (const std::string& key : keys) {
    stop_if_asked();
    try {
      read_backup(vault_, parse_backup_key(key).value());
    } catch (const Error& error) {
      if (!is_damage(error)) throw;
      bool fetched = false;
      try {
        fetched = fetch(key);
      } catch (const Error& other) {
        if (!is_damage(other)) throw;
      }
      if (!fetched) left(key + ": " + error.message());
    }
  }
}

void Repair::check_logs() {
  const auto trouble = [&](const std::string& text) { left(text); };
  for (const LogFault& fault :
       find_log_faults(vault_, job_.other, job_.log_policy, trouble, stop_)) {
    stop_if_asked();
    bool fetched = false;
    try {
      fetched = fetch(fault.key);
    } catch (const Error& error) {
      if (!is_damage(error)) throw;
    }
    if (!fetched) left(fault.key + ": " + fault.problem);
  }
}

// Damage that is no more.
void Repair::lift_doom() {
  for (const StoredDoom& stored : read_dooms(store_, vault_.ring())) {
    if (stored.doom.reason != DoomReason::kDamaged) continue;
    const auto& packs = stored.doom.packs;
    const bool good = std::all_of(packs.begin(), packs.end(), [&](const PackName& pack) {
      if (still_named_.contains(pack)) return false;
      return sound_.contains(pack) || (!store_.stat(pack_key(PackClass::kData, pack)) &&
                                       !store_.stat(pack_key(PackClass::kMeta, pack)));
    });
    if (!good) continue;
    if (!job_.dry_run && !take_away(stored.key)) continue;
    did(stored.key + ": the damage that it noted is no more");
  }
}

RepairResult Repair::run() {
  const Duration begin = vault_.clock().monotonic();
  // Backups that come back may need log that nobody else here does.
  std::optional<Lease> lease;
  // What a prune has taken out of the index, and is about to remove, would be indexed again.
  std::optional<Lease> no_prune;
  if (!job_.dry_run) {
    vault_.require_writable();
    no_prune.emplace(store_, vault_.clock(), "prune", true);
    if (job_.other != nullptr) {
      lease.emplace(store_, vault_.clock(), "repair");
      refuse_log_removal(store_);
    }
  }
  check_segments();
  check_small_objects();
  check_backups();
  fetch_missing();
  check_packs();
  index_unknown_packs();
  if (!job_.dry_run) {
    index_ = vault_.load_index();
    for (const std::string& problem : index_->problems()) left(problem);
  }
  drop_lost_packs();
  check_logs();
  lift_doom();
  result_.duration = vault_.clock().monotonic() - begin;
  return result_;
}

}  // namespace

RepairResult repair(const Vault& vault, const RepairJob& job, std::stop_token stop) {
  if (job.other != nullptr) {
    const auto id = vault_id_of(*job.other);
    if (!id || *id != vault.parameters().id) {
      throw Error(Code::kConflict, job.other->traits().url + " is not a copy of this vault",
                  "give a place that 'holdfast copy --to URL' has filled from this vault");
    }
  }
  Repair repair(vault, job, std::move(stop));
  return repair.run();
}

}  // namespace holdfast
