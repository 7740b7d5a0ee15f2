#include "protect/lock_extension.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "os/mutex.h"
#include "protect/log_use.h"
#include "protect/pack_locks.h"
#include "protect/prune_plan.h"
#include "protect/reachability.h"
#include "store/at_once.h"

namespace holdfast {
namespace {

constexpr std::size_t kMaxErrors = 20;

using LogPolicies = std::function<LogPolicy(const std::string& source)>;
using Sizes = std::map<std::string, std::uint64_t>;

Sizes stored_sizes(ObjectStore& store) {
  Sizes sizes;
  for (const char* prefix : {"data/", "meta/", "index/", "keys/", "holdfast.json"}) {
    store.list(prefix, [&](const ObjectInfo& info) { sizes[info.key] = info.size; });
  }
  for (const std::string_view backup_class : kBackupClasses) {
    store.list(std::string(backup_class) + "/",
               [&](const ObjectInfo& info) { sizes[info.key] = info.size; });
  }
  return sizes;
}

std::map<PackName, SegmentPack> packs_among(const Sizes& sizes) {
  std::map<PackName, SegmentPack> packs;
  for (const auto& [key, size] : sizes) {
    if (const auto named = parse_pack_key(key)) {
      packs[named->second] = {named->second, size, named->first};
    }
  }
  return packs;
}

// What a segment names, by need.
struct SegmentUse {
  const Segment* segment = nullptr;
  std::vector<PackName> needed;
  std::uint64_t unneeded = 0;
  std::uint64_t unneeded_bytes = 0;
};

SegmentUse use_of(const Segment& segment, const std::set<PackName>& needed,
                  const std::map<PackName, SegmentPack>& stored) {
  SegmentUse use{&segment, {}, 0, 0};
  for (std::uint32_t p = 0; p < segment.packs(); ++p) {
    const SegmentPack pack = segment.pack(p);
    if (needed.contains(pack.name)) {
      use.needed.push_back(pack.name);
    } else if (stored.contains(pack.name)) {
      ++use.unneeded;
      use.unneeded_bytes += pack.size;
    }
  }
  return use;
}

// Few segments that name all of `needed`, and rather those that name nothing else: what names
// unneeded packs keeps them from being removed for as long as it is locked.
std::vector<SegmentUse> choose_segments(const Index& index, std::set<PackName> needed,
                                        const std::map<PackName, SegmentPack>& stored) {
  std::vector<SegmentUse> all;
  for (const Segment& segment : index.segments()) all.push_back(use_of(segment, needed, stored));
  std::stable_sort(all.begin(), all.end(), [](const SegmentUse& a, const SegmentUse& b) {
    if (a.unneeded != b.unneeded) return a.unneeded < b.unneeded;
    return a.needed.size() > b.needed.size();
  });
  std::vector<SegmentUse> chosen;
  for (SegmentUse& use : all) {
    std::size_t found = 0;
    for (const PackName& name : use.needed) found += needed.erase(name);
    if (found > 0) chosen.push_back(std::move(use));
  }
  return chosen;
}

class Finder {
 public:
  Finder(const Vault& vault, const std::vector<BackupName>& backups, LogPolicies log_policy,
         std::stop_token stop)
      : vault_(vault),
        backups_(backups),
        log_policy_(std::move(log_policy)),
        stop_(std::move(stop)) {}

  Retained run();

 private:
  void add(const std::string& key, RetainedKind kind);
  void add_segments(const Index& index, const std::set<PackName>& needed);
  void find_unneeded(const Index& index, const PrunePlan& plan);
  void add_logs();
  void ask_locks();

  const Vault& vault_;
  const std::vector<BackupName>& backups_;
  const LogPolicies log_policy_;
  const std::stop_token stop_;
  Sizes sizes_;
  std::map<PackName, SegmentPack> stored_;
  Retained retained_;
};

// What is lost is for validate and repair to deal with.
void Finder::add(const std::string& key, RetainedKind kind) {
  const auto stored = sizes_.find(key);
  if (stored != sizes_.end()) retained_.objects.push_back({key, kind, stored->second, {}});
}

void Finder::add_segments(const Index& index, const std::set<PackName>& needed) {
  for (const SegmentUse& use : choose_segments(index, needed, stored_)) {
    add(segment_key(use.segment->name()), RetainedKind::kIndex);
    // To write it anew has to free more than it takes.
    if (use.unneeded_bytes > use.segment->body().size()) {
      retained_.wasteful_segments.push_back(use.segment->name());
    }
  }
}

void Finder::find_unneeded(const Index& index, const PrunePlan& plan) {
  UnneededPacks& unneeded = retained_.unneeded;
  std::vector<SegmentPack> packs;
  for (const auto* names : {&plan.dead_packs, &plan.orphans}) {
    for (const PackName& name : *names) packs.push_back(stored_.at(name));
  }
  for (const SegmentPack& pack : packs) unneeded.bytes += pack.size;
  for (const auto& [name, until] : find_pack_holds(vault_.store(), index, packs, stop_)) {
    unneeded.locked_bytes += stored_.at(name).size;
    unneeded.first_ends = std::min(unneeded.first_ends.value_or(until), until);
    unneeded.last_ends = std::max(unneeded.last_ends.value_or(until), until);
  }
}

void Finder::add_logs() {
  const LogUsers all = read_log_users(vault_, backups_, stop_);
  if (all.empty()) return;
  for (const LogFiles& log : list_log_files(vault_.store())) {
    auto users = users_of(all, log);
    if (users.empty()) continue;
    const LogPolicy policy = log_policy_ ? log_policy_(log.source) : LogPolicy{};
    const auto backups = within_depth(vault_, log, std::move(users), policy);
    const FileUses use = log_use(vault_, log, backups);
    std::set<std::string> whole;
    for (const LogObject& object : log.objects) {
      if (!object.name.piece) whole.insert(object.name.file);
    }
    for (const LogObject& object : log.objects) {
      if (object.name.piece && whole.contains(object.name.file)) continue;
      if (use(object.name.file) != FileUse::kNeeded) continue;
      retained_.objects.push_back({object.name.key(), RetainedKind::kLog, object.size, {}});
    }
  }
}

void Finder::ask_locks() {
  const auto ask = [&](std::size_t i) {
    RetainedObject& object = retained_.objects[i];
    object.until = vault_.store().locked_until(object.key);
  };
  at_once(vault_.store(), retained_.objects.size(), ask, stop_);
}

Retained Finder::run() {
  const DoomSet doomed(read_dooms(vault_.store(), vault_.ring()));
  const LiveSet live = reachable_from(vault_, backups_, vault_.load_index(), doomed, stop_);
  sizes_ = stored_sizes(vault_.store());
  stored_ = packs_among(sizes_);
  const auto use = pack_use(live, true);
  std::set<PackName> needed;
  for (const auto& [name, pack] : use) {
    if (pack.live_chunks == 0) continue;
    needed.insert(name);
    add(pack_key(pack.pack.pack_class, name),
        pack.pack.pack_class == PackClass::kData ? RetainedKind::kData : RetainedKind::kMeta);
  }
  add_segments(live.index(), needed);
  for (const BackupName& name : backups_) add(name.key(), RetainedKind::kBackups);
  for (const auto& [key, size] : sizes_) {
    if (key.starts_with("keys/")) add(key, RetainedKind::kKeys);
  }
  add("holdfast.json", RetainedKind::kConfig);
  add_logs();
  find_unneeded(live.index(), plan_prune(use, stored_, 100));
  ask_locks();
  retained_.packs.assign(needed.begin(), needed.end());
  return std::move(retained_);
}

// True statements about packs that the store has: harmless at any time, beside whatever else says
// the same.
std::uint64_t rewrite_segments(const Vault& vault, const Retained& retained, const LockPlan& plan) {
  const std::set<PackName> needed(retained.packs.begin(), retained.packs.end());
  std::uint64_t count = 0;
  for (const SegmentName& name : plan.rewritten) {
    try {
      const Segment segment =
          Segment::from_memory(name, read_segment(vault.store(), vault.ring(), name));
      SegmentBuilder builder;
      builder.add(segment, false,
                  [&](const SegmentPack& pack) { return needed.contains(pack.name); });
      const SegmentName written = write_segment(vault.store(), vault.ring(), builder.build());
      vault.store().lock_until(segment_key(written), plan.wanted);
      ++count;
    } catch (const Error& error) {
      if (error.code() != Code::kNotFound) throw;  // merged meanwhile: the next run sees to it
    }
  }
  return count;
}

}  // namespace

std::string_view kind_name(RetainedKind kind) {
  switch (kind) {
    case RetainedKind::kConfig:
      return "config";
    case RetainedKind::kKeys:
      return "keys";
    case RetainedKind::kBackups:
      return "backups";
    case RetainedKind::kIndex:
      return "index";
    case RetainedKind::kMeta:
      return "meta";
    case RetainedKind::kData:
      return "data";
    case RetainedKind::kLog:
      return "log";
  }
  return "?";
}

Retained find_retained(const Vault& vault, const std::vector<BackupName>& backups,
                       std::stop_token stop,
                       const std::function<LogPolicy(const std::string&)>& log_policy) {
  return Finder(vault, backups, log_policy, std::move(stop)).run();
}

LockPlan plan_lock_extension(const Retained& retained, Timestamp now, Duration period, bool all) {
  LockPlan plan;
  // As coarse as stores keep it: a lock until this very second is long enough.
  plan.wanted = std::chrono::floor<std::chrono::seconds>(now + period);
  const Timestamp enough = all ? plan.wanted : plan.wanted - period / 4;
  std::set<std::string> wasteful;
  for (const SegmentName& name : retained.wasteful_segments) wasteful.insert(segment_key(name));
  for (const RetainedObject& object : retained.objects) {
    if (object.until && *object.until >= enough) {
      ++plan.skipped;
    } else if (wasteful.contains(object.key)) {
      plan.rewritten.push_back(parse_segment_key(object.key).value());
    } else {
      plan.extended.push_back(object);
    }
  }
  return plan;
}

LockResult extend_locks(const Vault& vault, const Retained& retained, const LockPlan& plan,
                        LockProgress& progress, std::stop_token stop) {
  progress.total_objects = plan.extended.size();
  LockResult result;
  Mutex mutex;
  const auto extend = [&](std::size_t i) {
    const RetainedObject& object = plan.extended[i];
    try {
      vault.store().lock_until(object.key, plan.wanted);
      MutexLock lock(mutex);
      ++result.extended;
    } catch (const Error& error) {
      if (error.code() == Code::kUnsupported || error.code() == Code::kCancelled) throw;
      MutexLock lock(mutex);
      if (error.code() == Code::kNotFound) {
        ++result.vanished;
      } else {
        ++result.failed;
        if (result.errors.size() < kMaxErrors) {
          result.errors.push_back(object.key + ": " + error.message());
        }
      }
    }
    ++progress.objects;
  };
  at_once(vault.store(), plan.extended.size(), extend, std::move(stop));
  result.rewritten = rewrite_segments(vault, retained, plan);
  return result;
}

}  // namespace holdfast
