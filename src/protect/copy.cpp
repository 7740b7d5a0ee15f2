#include "protect/copy.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "base/error.h"
#include "os/clock.h"
#include "os/mutex.h"
#include "os/parallel.h"
#include "protect/archive_name.h"
#include "protect/copy_loss.h"
#include "protect/copy_mark.h"
#include "protect/log_copy.h"
#include "protect/object_transfer.h"
#include "vault/lease.h"
#include "vault/log_name.h"
#include "vault/require_vault.h"
#include "vault/vault.h"

namespace holdfast {
namespace {

constexpr int kRounds = 5;

using Sizes = ObjectSizes;

Sizes sizes_below(ObjectStore& store, std::string_view prefix) {
  Sizes sizes;
  store.list(prefix, [&](const ObjectInfo& info) { sizes[info.key] = info.size; });
  return sizes;
}

class Copy {
 public:
  Copy(ObjectStore& from, ObjectStore& to, const CopyJob& job, CopyProgress& progress,
       std::stop_token stop)
      : from_(from),
        to_(to),
        job_(job),
        progress_(progress),
        stop_(std::move(stop)),
        transfer_(
            from, to,
            [this](std::int64_t bytes) { progress_.bytes += static_cast<std::uint64_t>(bytes); },
            stop_) {}

  CopyResult run();

 private:
  struct Stage {
    std::string name;
    std::vector<std::string> keys;
  };
  Error same_place() const;
  void check_destination();
  void refuse_prune();
  std::vector<Stage> plan();
  void read_index(const Stage& backups);
  Stage plan_archives();
  bool has_log(const std::string& key, bool other_size);
  void announce(ObjectStore& store, const std::vector<const Stage*>& stages, const Sizes& sizes);
  bool needs_copy(const std::string& key, std::uint64_t size, const Sizes& present);
  std::optional<Digest> hash_unless_archived(ObjectStore& store, const std::string& key,
                                             std::uint64_t size) const;
  bool run_stages(std::vector<Stage>& stages);
  unsigned threads_for(const Stage& stage) const;
  bool run_stage(const Stage& stage);
  bool prepare(Stage& stage);
  bool leave_out(Stage& backups);
  void copy_one(const std::string& key, std::uint64_t size);
  void lose(const std::string& key);
  void copy_or_replace(const std::string& key);
  bool copy_whole_of(const std::string& piece);
  void remove_pieces();

  ObjectStore& from_;
  ObjectStore& to_;
  const CopyJob& job_;
  CopyProgress& progress_;
  std::stop_token stop_;
  ObjectTransfer transfer_;
  Sizes wanted_;
  Sizes present_;
  std::optional<CopyLoss> loss_;  // of this round
  Mutex mutex_;
  CopyResult result_ GUARDED_BY(mutex_);
};

Error Copy::same_place() const {
  return {Code::kUsage, to_.traits().url + " is the vault itself, not a second place",
          "choose a place on another disk, or in another region"};
}

// It may be removing what this copy would find there.
void Copy::refuse_prune() {
  const auto holder = holder_of(to_, "prune");
  if (!holder) return;
  throw Error(Code::kConflict, to_.traits().url + " is being pruned: " + *holder,
              "run the copy again when that has ended");
}

void Copy::check_destination() {
  const std::string source_url = from_.traits().url;
  const std::string url = to_.traits().url;
  if (url.starts_with("file:")) {
    if (url == source_url) throw same_place();
    if (url.starts_with(source_url + "/") || source_url.starts_with(url + "/")) {
      throw Error(Code::kUsage, url + " and the vault in " + source_url + " lie in one another",
                  "choose a place on another disk");
    }
  }
  const VaultId source =
      require_vault(from_, "check the address of the vault that is to be copied: --vault URL");
  const auto destination = vault_id_of(to_);
  if (destination) {
    if (*destination == source) return;
    throw Error(Code::kConflict, to_.traits().url + " holds another vault",
                "choose an empty place for the copy");
  }
  // An interrupted first copy has keys and packs, but no holdfast.json yet only for a moment.
  std::string foreign;
  to_.list("", [&](const ObjectInfo& info) {
    const bool ours = info.key.starts_with("keys/") || info.key.starts_with("lease/");
    if (foreign.empty() && !ours) foreign = info.key;
  });
  if (!foreign.empty()) {
    throw Error(Code::kConflict,
                fmt::format("{} is not empty (it holds '{}')", to_.traits().url, foreign),
                "choose an empty place for the copy");
  }
  if (!job_.dry_run && job_.before_first) job_.before_first(to_);
}

// Ordinary archives beside the vault's own objects; nothing refers to them.
Copy::Stage Copy::plan_archives() {
  Stage stage{"archives", {}};
  for (const StoredArchive& archive : list_archives(from_)) {
    stage.keys.push_back(archive.name.key());
    wanted_[stage.keys.back()] = archive.size;
  }
  return stage;
}

// Read in the reverse of the commit order: whatever the listed backups need is listed after them.
std::vector<Copy::Stage> Copy::plan() {
  wanted_.clear();
  present_ = sizes_below(to_, "");
  loss_.emplace(from_, to_, CopyListing{wanted_, present_});
  Stage backups{"backups", {}};
  for (const BackupName& name : list_backups(from_)) backups.keys.push_back(name.key());
  std::vector<Stage> stages;
  const auto list = [&](const char* name, const std::vector<std::string>& prefixes) {
    Stage stage{name, {}};
    for (const std::string& prefix : prefixes) {
      for (const auto& [key, size] : sizes_below(from_, prefix)) {
        stage.keys.push_back(key);
        wanted_[key] = size;
      }
    }
    return stage;
  };
  // A backup of a database needs the log that was written meanwhile.
  Stage logs = list("logs", {"log/"});
  Stage results = list("results", {"run/", "doom/"});
  Stage index = list("index", {"index/"});
  read_index(backups);
  Stage packs = list("packs", {"meta/", "data/"});
  Stage keys = list("keys", {"holdfast.json", "keys/"});
  for (const std::string& key : backups.keys) {
    if (const auto info = from_.stat(key)) wanted_[key] = info->size;
  }
  Stage archives = plan_archives();
  if (job_.verify) {
    announce(to_, {&packs, &archives}, present_);
    announce(from_, {&archives}, wanted_);  // no hash in the name: both sides are compared
  }
  for (Stage* stage : {&keys, &packs, &index, &results, &logs, &backups, &archives}) {
    std::erase_if(stage->keys, [&](const std::string& key) {
      const auto size = wanted_.find(key);
      return size == wanted_.end() || !needs_copy(key, size->second, present_);
    });
    for (const std::string& key : stage->keys) {
      ++progress_.total_objects;
      progress_.total_bytes += wanted_[key];
    }
    stages.push_back(std::move(*stage));
  }
  return stages;
}

// Only what is new has to be looked after, and what an earlier run left out.
void Copy::read_index(const Stage& backups) {
  const bool news = std::any_of(backups.keys.begin(), backups.keys.end(),
                                [&](const auto& key) { return !present_.contains(key); });
  const bool marked = std::any_of(present_.begin(), present_.end(),
                                  [](const auto& object) { return is_copy_mark(object.first); });
  if ((!news && !marked) || job_.dry_run || !job_.source_vault) return;
  if (const Vault* vault = job_.source_vault()) loss_->read_index(*vault);
}

// Says what of these stages is about to be read in a store that has such sizes of them.
void Copy::announce(ObjectStore& store, const std::vector<const Stage*>& stages,
                    const Sizes& sizes) {
  if (!job_.before_reading) return;
  std::vector<NeededPack> needed;
  for (const Stage* stage : stages) {
    for (const std::string& key : stage->keys) {
      const auto size = sizes.find(key);
      if (size != sizes.end()) needed.push_back({key, size->second});
    }
  }
  if (!needed.empty()) job_.before_reading(store, std::move(needed));
}

bool Copy::needs_copy(const std::string& key, std::uint64_t size, const Sizes& present) {
  const auto there = present.find(key);
  if (there == present.end()) return true;
  if (has_log(key, there->second != size)) return false;
  if (there->second != size) return true;
  {
    MutexLock lock(mutex_);
    ++result_.present;
  }
  if (!job_.verify) return false;
  const auto found = hash_unless_archived(to_, key, size);
  auto wanted = hash_in_name(key);
  if (found && !wanted) wanted = hash_unless_archived(from_, key, size);
  MutexLock lock(mutex_);
  if (!found || !wanted) {
    ++result_.unverified_objects;
    return false;
  }
  ++result_.verified_objects;
  if (*found == *wanted) return false;
  ++result_.healed;
  return true;
}

// Nothing when the store would have to be asked for the object first: a dry run asks for nothing,
// and what was just copied into an archive class is not fetched back.
std::optional<Digest> Copy::hash_unless_archived(ObjectStore& store, const std::string& key,
                                                 std::uint64_t size) const {
  try {
    return transfer_.hash(store, key, size);
  } catch (const Error&) {
    if (store.tier(key) == Tier::kReady) throw;
    return std::nullopt;
  }
}

// Whether the destination has an object of a log that is to stay as it is although its bytes
// differ: `stream --also` has written it there itself.
bool Copy::has_log(const std::string& key, bool other_size) {
  if (!other_size && !job_.verify) return false;
  const SameLog same = compare_logs(from_, to_, key);
  if (same != SameLog::kAnother && same != SameLog::kCutOff) return false;
  MutexLock lock(mutex_);
  ++result_.present;
  if (same == SameLog::kAnother) ++result_.other_writings;
  return true;
}

// The copy may have kept a good one.
void Copy::lose(const std::string& key) {
  const auto info = to_.stat(key);
  const bool kept = info && transfer_.hash(to_, key, info->size) == hash_in_name(key);
  loss_->add(key, "its bytes are not those that its name stands for", !kept);
}

void Copy::copy_one(const std::string& key, std::uint64_t size) {
  Digest digest{};
  auto object = transfer_.fetch(key, size, digest);
  if (!object) return lose(key);
  const bool created = object->commit(key, to_hex(digest));
  if (!created && has_log(key, true)) return;  // came there by itself meanwhile
  if (!created && !transfer_.has(key, size, digest)) {
    // Something of another size or content is in the way: a torn copy, or a damaged one. A good
    // one, of another copy at work, stays.
    to_.remove(key);
    object = transfer_.fetch(key, size, digest);
    if (!object) return lose(key);
    object->commit(key, to_hex(digest));
  }
  const auto stored = job_.verify ? hash_unless_archived(to_, key, size) : std::nullopt;
  if (stored && *stored != digest) {
    throw Error(
        Code::kCorrupt,
        fmt::format("{} came back from {} with other bytes than were sent", key, to_.traits().url),
        "the destination cannot be trusted: check its disk or service");
  }
  ++progress_.objects;
  MutexLock lock(mutex_);
  ++result_.objects;
  result_.bytes += size;
  if (job_.verify) ++(stored ? result_.verified_objects : result_.unverified_objects);
  if (parse_backup_key(key)) ++result_.backups;
}

// Pieces of a log go all the time, once the whole file is stored: then that is what is to be
// copied.
bool Copy::copy_whole_of(const std::string& piece) {
  const auto name = parse_log_key(piece);
  if (!name || !name->piece) return false;
  const std::string whole = name->whole().key();
  const auto info = from_.stat(whole);
  if (!info) return false;
  copy_one(whole, info->size);
  return true;
}

void Copy::copy_or_replace(const std::string& key) {
  try {
    copy_one(key, wanted_.at(key));
  } catch (const Error& error) {
    if (error.code() != Code::kNotFound || !copy_whole_of(key)) throw;
  }
}

// Objects at once, as many as either store pays for. More packs at once than processors can fill
// only need more room.
unsigned Copy::threads_for(const Stage& stage) const {
  if (job_.threads > 0) return job_.threads;
  const unsigned pays = std::max(from_.traits().parallelism, to_.traits().parallelism);
  const bool packs = stage.name == "packs" || stage.name == "archives";
  return packs && to_.traits().remote ? static_cast<unsigned>(packs_at_once(to_)) : pays;
}

// False when an object vanished from the source: a prune is at work there.
bool Copy::run_stage(const Stage& stage) {
  try {
    in_parallel(threads_for(stage), stage.keys.size(), stop_,
                [&](std::size_t i) { copy_or_replace(stage.keys[i]); });
    return true;
  } catch (const Error& error) {
    if (error.code() != Code::kNotFound) throw;
    return false;
  }
}

void Copy::remove_pieces() {
  const std::size_t removed = remove_replaced_pieces(from_, to_, stop_);
  MutexLock lock(mutex_);
  result_.removed_pieces += removed;
}

// What of a stage is not to be copied because something is lost. False when the source changes.
bool Copy::prepare(Stage& stage) {
  if (stage.name == "index" && loss_->has_index() && !loss_->find_missing()) return false;
  if (!loss_->any_lost()) return true;
  if (stage.name == "backups") return leave_out(stage);
  if (stage.name != "index") return true;
  if (!loss_->has_index()) {
    stage.keys.clear();  // an index that promises what is not there would be believed
  } else {
    loss_->write_reduced_index(stage.keys);
  }
  return true;
}

bool Copy::leave_out(Stage& backups) {
  bool changing = false;
  if (loss_->has_index()) loss_->write_marks();
  std::vector<BackupName> left_out;
  std::erase_if(backups.keys, [&](const std::string& key) {
    const BackupName name = parse_backup_key(key).value();
    const auto fate = loss_->has_index() ? loss_->fate_of(name, stop_) : CopyLoss::Fate::kLeftOut;
    if (fate == CopyLoss::Fate::kChanging) changing = true;
    if (fate == CopyLoss::Fate::kLeftOut) left_out.push_back(name);
    return fate == CopyLoss::Fate::kLeftOut;
  });
  MutexLock lock(mutex_);
  result_.left_out = std::move(left_out);
  result_.needs_key = !loss_->has_index();
  return !changing;
}

bool Copy::run_stages(std::vector<Stage>& stages) {
  {
    MutexLock lock(mutex_);
    result_.left_out.clear();
  }
  for (Stage& stage : stages) {
    if (!prepare(stage) || !run_stage(stage)) return false;
    if (stage.name == "logs") remove_pieces();
  }
  loss_->lift_marks(stop_);
  MutexLock lock(mutex_);
  result_.damage = loss_->damage();
  return true;
}

CopyResult Copy::run() {
  const Duration begin = system_clock().monotonic();
  check_destination();
  // Two at once would do no harm, but the same work twice.
  std::optional<Lease> lease;
  if (!job_.dry_run) {
    lease.emplace(to_, system_clock(), "copy", true);
    if (from_.stat(lease->key())) throw same_place();  // by whatever name it is reached
    refuse_log_removal(to_);
    refuse_prune();
  }
  for (int round = 1;; ++round) {
    std::vector<Stage> stages = plan();
    announce(from_, {&stages[1], &stages.back()}, wanted_);  // packs and archives
    if (job_.dry_run || run_stages(stages)) break;
    if (round == kRounds) {
      throw Error(Code::kUnavailable, "the source kept changing while it was copied",
                  "run the copy again when the prune there has ended");
    }
  }
  MutexLock lock(mutex_);
  if (job_.dry_run) {
    result_.objects = progress_.total_objects;
    result_.bytes = progress_.total_bytes;
  }
  result_.duration = system_clock().monotonic() - begin;
  return result_;
}

}  // namespace

CopyResult copy_vault(ObjectStore& from, ObjectStore& to, const CopyJob& job,
                      CopyProgress& progress, std::stop_token stop) {
  Copy copy(from, to, job, progress, std::move(stop));
  return copy.run();
}

}  // namespace holdfast
