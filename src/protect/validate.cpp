#include "protect/validate.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_set>

#include "base/error.h"
#include "base/human.h"
#include "os/parallel.h"
#include "protect/pack_check.h"
#include "protect/verdict.h"
#include "vault/live_set.h"
#include "vault/tree.h"

namespace holdfast {
namespace {

using IdSet = std::unordered_set<ChunkId, ChunkIdHash>;

constexpr std::size_t kNamedFiles = 20;
constexpr std::size_t kNamedChunks = 10;  // the damaged backups tell the whole story

struct Pack {
  std::string key;
  std::uint64_t size = 0;
};

class Validation {
 public:
  Validation(const Vault& vault, const ValidateJob& job, ValidateProgress& progress,
             std::stop_token stop)
      : vault_(vault),
        job_(job),
        progress_(progress),
        stop_(std::move(stop)),
        reader_(vault),
        index_(reader_.frames()->shared_index()),
        live_(index_) {}

  ValidateResult run();

 private:
  void find(const std::string& object, const std::string& problem) {
    MutexLock lock(mutex_);
    result_.findings.push_back({object, problem});
  }
  // Neither damage nor ours: nothing refers to it, and no command touches it.
  void note_foreign(const std::string& key) {
    MutexLock lock(mutex_);
    result_.foreign.push_back(key);
  }
  void list_packs();
  void check_small_objects();
  void check_index_against_packs();
  void reach(const BackupName& name);
  std::vector<NeededPack> packs_to_read();
  void read_packs(const std::vector<NeededPack>& packs);
  void take(const std::string& key, const PackCheck& check);
  bool has_good_copy(const ChunkId& id) const;
  void assess(const BackupName& name);
  void name_files(const Ref& tree, DamagedBackup& damaged);
  void check_logs();
  void record();

  const Vault& vault_;
  const ValidateJob& job_;
  ValidateProgress& progress_;
  std::stop_token stop_;
  ChunkReader reader_;
  std::shared_ptr<const Index> index_;
  LiveSet live_;
  std::map<PackName, Pack> packs_;
  std::set<PackName> lost_packs_;
  std::set<BackupName, bool (*)(const BackupName&, const BackupName&)> unreadable_{
      [](const BackupName& a, const BackupName& b) { return a.key() < b.key(); }};
  Mutex mutex_;
  std::map<PackName, std::vector<ChunkId>> bad_ GUARDED_BY(mutex_);
  std::set<std::pair<PackName, ChunkId>> bad_copies_;
  ValidateResult result_ GUARDED_BY(mutex_);
};

void Validation::list_packs() {
  for (const char* prefix : {"data/", "meta/"}) {
    vault_.store().list(prefix, [&](const ObjectInfo& info) {
      if (const auto named = parse_pack_key(info.key)) {
        packs_[named->second] = {info.key, info.size};
      } else {
        note_foreign(info.key);
      }
    });
  }
}

// What the store has, whatever the cache made of it, and what no backup leads to.
void Validation::check_small_objects() {
  ObjectStore& store = vault_.store();
  const auto check = [&](const char* prefix, const std::function<void(const std::string&)>& read) {
    for (const ObjectInfo& info : list_objects(store, prefix)) {
      if (stop_.stop_requested()) throw Error(Code::kCancelled, "interrupted");
      try {
        read(info.key);
      } catch (const Error& error) {
        // What is not found was merged or swept meanwhile.
        if (error.code() == Code::kCorrupt) find(info.key, error.message());
        if (error.code() != Code::kCorrupt && error.code() != Code::kNotFound) throw;
      }
    }
  };
  check("index/", [&](const std::string& key) {
    const auto name = parse_segment_key(key);
    if (!name) return note_foreign(key);
    Segment::from_memory(*name, read_segment(store, vault_.ring(), *name)).check();
  });
  check("keys/", [&](const std::string& key) { parse_wrapped_key(store.get(key)); });
  check("doom/", [&](const std::string& key) {
    parse_doom(store.get(key), vault_.ring(), std::string_view(key).substr(5));
  });
}

void Validation::check_index_against_packs() {
  if (job_.whole_vault) {
    check_small_objects();
  } else {
    for (const std::string& problem : index_->problems()) find("index", problem);
  }
  for (const Segment& segment : index_->segments()) {
    for (std::uint32_t i = 0; i < segment.packs(); ++i) {
      const SegmentPack pack = segment.pack(i);
      const auto found = packs_.find(pack.name);
      const std::string key = pack_key(pack.pack_class, pack.name);
      if (found == packs_.end()) {
        if (lost_packs_.insert(pack.name).second) find(key, "is missing");
      } else if (found->second.size != pack.size) {
        if (lost_packs_.insert(pack.name).second) {
          find(key,
               "has " + format_size(found->second.size) + " instead of " + format_size(pack.size));
        }
      }
    }
  }
}

void Validation::reach(const BackupName& name) {
  try {
    add_reachable(reader_, read_backup(vault_, name).summary.reach, live_, stop_);
  } catch (const Error& error) {
    if (error.code() != Code::kCorrupt && error.code() != Code::kNotFound) throw;
    unreadable_.insert(name);
    find(name.key(), error.message());
  }
  ++progress_.backups;
}

// All of them for the whole vault, else those that the backups need; of these a random share.
std::vector<NeededPack> Validation::packs_to_read() {
  if (job_.read_percent == 0) return {};
  std::set<PackName> wanted;
  if (job_.whole_vault) {
    // Packs that no segment names are what an interrupted run left: waste for a prune, no damage.
    for (const Segment& segment : index_->segments()) {
      for (std::uint32_t i = 0; i < segment.packs(); ++i) wanted.insert(segment.pack(i).name);
    }
  } else {
    for (std::uint32_t s = 0; s < index_->segments().size(); ++s) {
      const Segment& segment = index_->segments()[s];
      for (std::uint64_t i = 0; i < segment.chunks(); ++i) {
        if (!live_.is_live(s, i)) continue;
        wanted.insert(segment.pack(segment.frame(segment.chunk(i).frame).pack).name);
      }
    }
  }
  std::vector<NeededPack> packs;
  for (const PackName& name : wanted) {
    const auto found = packs_.find(name);
    if (found == packs_.end()) continue;
    if (job_.read_percent < 100 && random_array<1>()[0] * 100u >= job_.read_percent * 256u) {
      continue;
    }
    packs.push_back({found->second.key, found->second.size});
  }
  if (job_.before_reading) job_.before_reading(packs);
  for (const NeededPack& pack : packs) progress_.total_bytes += pack.size;
  return packs;
}

void Validation::read_packs(const std::vector<NeededPack>& packs) {
  in_parallel(reader_threads(vault_.store(), job_.threads), packs.size(), stop_,
              [&](std::size_t i) {
                const auto& [key, size] = packs[i];
                take(key, check_pack(vault_, *index_, key, size, stop_));
                progress_.bytes += size;
              });
}

void Validation::take(const std::string& key, const PackCheck& check) {
  const PackName name = parse_pack_key(key)->second;
  MutexLock lock(mutex_);
  ++result_.packs_read;
  result_.bytes_read += check.bytes_read;
  if (check.content_checked) result_.content_checked = true;
  if (check.problem.empty()) return;
  if (!lost_packs_.contains(name)) result_.findings.push_back({key, check.problem});
  if (check.whole_pack_lost || (!check.content_checked && check.bad_chunks.empty())) {
    lost_packs_.insert(name);
  }
  if (!check.bad_chunks.empty()) bad_[name] = check.bad_chunks;
  for (const ChunkId& id : check.bad_chunks) bad_copies_.emplace(name, id);
}

bool Validation::has_good_copy(const ChunkId& id) const {
  for (const ChunkPlace& place : index_->find(id)) {
    const Segment& segment = index_->segments()[place.segment];
    const PackName pack = segment.pack(segment.frame(place.chunk.frame).pack).name;
    if (!lost_packs_.contains(pack) && !bad_copies_.contains({pack, id})) return true;
  }
  return false;
}

// What a backup lost. Called only when something is wrong somewhere.
void Validation::assess(const BackupName& name) {
  DamagedBackup damaged{name, 0, {}, 0};
  try {
    const StoredBackup backup = read_backup(vault_, name);
    IdSet seen;
    for_each_reachable(
        reader_, backup.summary.reach, [](const Ref&) { return false; },
        [&](const Ref& ref) {
          if (seen.insert(ref.id).second && !has_good_copy(ref.id)) ++damaged.missing_chunks;
        });
    if (damaged.missing_chunks > 0 && backup.root) name_files(backup.root->tree, damaged);
  } catch (const Error& error) {
    if (error.code() != Code::kCorrupt && error.code() != Code::kNotFound) throw;
    ++damaged.missing_chunks;  // a page is among what is lost
  }
  if (damaged.missing_chunks == 0) return;
  MutexLock lock(mutex_);
  result_.damaged.push_back(std::move(damaged));
}

void Validation::name_files(const Ref& tree, DamagedBackup& damaged) {
  for_each_entry(reader_, tree, [&](const Entry& entry, std::span<const Ref> chunks) {
    const bool hit = std::any_of(chunks.begin(), chunks.end(),
                                 [&](const Ref& ref) { return !has_good_copy(ref.id); });
    if (!hit) return true;
    ++damaged.affected_files;
    if (damaged.files.size() < kNamedFiles) damaged.files.push_back(entry.path);
    return true;
  });
}

void Validation::check_logs() {
  const LogCheckJob job{job_.backups, job_.whole_vault, job_.read_percent, job_.log_policy};
  LogCheckResult logs = check_log(vault_, job, stop_);
  MutexLock lock(mutex_);
  for (const LogFinding& finding : logs.findings) {
    result_.findings.push_back({finding.object, finding.problem});
  }
  result_.notes = std::move(logs.notes);
  result_.warnings = std::move(logs.warnings);
  result_.log_objects = logs.objects;
  result_.log_objects_read = logs.objects_read;
  result_.bytes_read += logs.bytes_read;
}

// Notes the results, so that lists can show them and the next backup heals what it can.
void Validation::record() {
  MutexLock lock(mutex_);
  ObjectStore& store = vault_.store();
  const Timestamp now = vault_.clock().now();
  const DoomSet known(read_dooms(store, vault_.ring()));
  for (const auto& [pack, chunks] : bad_) {
    Doom doom{DoomReason::kDamaged, {pack}, {}};
    for (const ChunkId& id : chunks) {
      if (!known.has(pack, id)) doom.chunks.push_back(id);
    }
    if (!doom.chunks.empty()) write_doom(store, vault_.ring(), doom);
  }
  Doom lost{DoomReason::kDamaged, {}, {}};
  for (const PackName& pack : lost_packs_) {
    if (!known.has(pack, ChunkId{})) lost.packs.push_back(pack);
  }
  if (!lost.packs.empty()) write_doom(store, vault_.ring(), lost);
  const bool whole = job_.read_percent >= 100 && result_.content_checked;
  for (const BackupName& name : job_.backups) {
    const bool damaged =
        unreadable_.contains(name) ||
        std::any_of(result_.damaged.begin(), result_.damaged.end(),
                    [&](const DamagedBackup& d) { return d.backup.key() == name.key(); });
    const std::string result = damaged ? "damaged" : whole ? "content" : "structure";
    note_verdict(store, name.id(), now, result);
  }
}

ValidateResult Validation::run() {
  const Duration begin = vault_.clock().monotonic();
  list_packs();
  check_index_against_packs();
  for (const BackupName& name : job_.backups) reach(name);
  const std::vector<Ref>& missing = live_.missing();
  for (std::size_t i = 0; i < missing.size() && i < kNamedChunks; ++i) {
    find("", "the index does not know chunk " + to_hex(missing[i].id.bytes));
  }
  read_packs(packs_to_read());
  if (job_.logs) check_logs();
  bool suspicious = !live_.missing().empty() || !lost_packs_.empty() || !bad_copies_.empty();
  for (const BackupName& name : job_.backups) {
    if (suspicious || unreadable_.contains(name)) assess(name);
  }
  IdSet bad;
  for (const auto& [pack, id] : bad_copies_) {
    if (!has_good_copy(id)) bad.insert(id);
  }
  if (job_.record) {
    try {
      vault_.require_writable();
      record();
    } catch (const Error& error) {
      // Whoever may only read can still validate.
      if (error.code() != Code::kDenied && error.code() != Code::kExhausted &&
          error.code() != Code::kUnsupported) {
        throw;
      }
    }
  }
  MutexLock lock(mutex_);
  result_.bad_chunks = bad.size();
  result_.backups = job_.backups.size();
  result_.packs = packs_.size();
  result_.chunks = live_.count();
  result_.duration = vault_.clock().monotonic() - begin;
  return result_;
}

}  // namespace

ValidateResult validate(const Vault& vault, const ValidateJob& job, ValidateProgress& progress,
                        std::stop_token stop) {
  Validation validation(vault, job, progress, std::move(stop));
  return validation.run();
}

}  // namespace holdfast
