#include "protect/prune.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "base/error.h"
#include "codec/compress.h"
#include "protect/pack_check.h"
#include "protect/pack_locks.h"
#include "protect/prune_plan.h"
#include "protect/reachability.h"
#include "protect/repack.h"
#include "protect/thaw.h"
#include "store/locks.h"
#include "vault/lease.h"

namespace holdfast {
namespace {

// Of every doomed chunk, when it was marked.
using DoomedChunks = std::unordered_map<ChunkId, Timestamp, ChunkIdHash>;
using PackTimes = std::map<PackName, Timestamp>;

// Which came first, by the store's clock, which says nothing below a millisecond.
bool is_after(Timestamp a, Timestamp b) {
  using std::chrono::floor;
  using std::chrono::milliseconds;
  return floor<milliseconds>(a) > floor<milliseconds>(b);
}

std::map<PackName, SegmentPack> stored_packs(ObjectStore& store, PackTimes& times) {
  std::map<PackName, SegmentPack> packs;
  for (const char* prefix : {"data/", "meta/"}) {
    store.list(prefix, [&](const ObjectInfo& info) {
      const auto named = parse_pack_key(info.key);
      if (!named) return;
      packs[named->second] = {named->second, info.size, named->first};
      times[named->second] = info.modified;
    });
  }
  return packs;
}

struct PlacedCopy {
  std::uint32_t offset = 0;
  Repacker::Copy copy;
};

std::vector<Repacker::Copy> in_order(std::vector<PlacedCopy> placed) {
  std::sort(placed.begin(), placed.end(),
            [](const PlacedCopy& a, const PlacedCopy& b) { return a.offset < b.offset; });
  std::vector<Repacker::Copy> copies;
  for (const PlacedCopy& one : placed) copies.push_back(one.copy);
  return copies;
}

class Prune {
 public:
  Prune(const Vault& vault, const PruneJob& job, std::stop_token stop)
      : vault_(vault), store_(vault.store()), job_(job), stop_(std::move(stop)) {}

  PruneResult run();

 private:
  void mark();
  bool is_ripe(const StoredDoom& stored, Timestamp now, const std::vector<LeaseInfo>& leases);
  void sweep();
  // Leaves the packs out of `packs` that turn out to be damaged.
  void rewrite(const LiveSet& live, std::set<PackName>& packs, const DoomedChunks& doomed);
  void leave_altered(std::set<PackName>& packs);
  void leave_damaged(std::set<PackName>& packs, const PackName& pack, std::vector<ChunkId> damaged);
  bool may_go(const DoomedChunks& doomed, const PackName& pack, const ChunkId& id) const;
  PackHolds ask_locks(const Index& index, const std::vector<PackName>& names);
  void count_locked(const std::map<PackName, PackUse>& use, const PackHolds& holds);
  void remove_covered(const Index& index);
  void remove_packs(const std::set<PackName>& gone);
  void remove_dooms(const std::vector<std::string>& keys);
  void clean_up();
  std::shared_ptr<const Index> sound_index();
  void stop_if_asked() const {
    if (stop_.stop_requested()) throw Error(Code::kCancelled, "interrupted");
  }

  const Vault& vault_;
  ObjectStore& store_;
  const PruneJob& job_;
  std::stop_token stop_;
  std::optional<Lease> lease_;
  std::map<PackName, SegmentPack> stored_;
  PackTimes times_;
  std::uint64_t rewritten_bytes_ = 0;
  PruneResult result_;
};

std::shared_ptr<const Index> Prune::sound_index() {
  auto index = vault_.load_index();
  if (index->problems().empty()) return index;
  throw Error(Code::kCorrupt,
              "the index is damaged, so nothing can be pruned: " + index->problems()[0],
              "run 'holdfast repair' first");
}

void Prune::mark() {
  const std::vector<StoredDoom> dooms = read_dooms(store_, vault_.ring());
  const DoomSet doomed(dooms);
  const std::vector<BackupName> backups = list_backups(store_);
  const LiveSet live = reachable_from(vault_, backups, sound_index(), doomed, stop_);
  const auto use = pack_use(live, !vault_.ring().can_read(), doomed);
  const PrunePlan plan = plan_prune(use, stored_, job_.max_unused_percent);
  std::vector<PackName> candidates = plan.dead_packs;
  for (const auto* more : {&plan.orphans, &plan.wasteful_packs}) {
    candidates.insert(candidates.end(), more->begin(), more->end());
  }
  // What cannot go is not marked either: new backups may as well use it.
  const PackHolds holds = ask_locks(live.index(), candidates);
  count_locked(use, holds);
  result_.live_chunks = live.count();
  result_.live_bytes = plan.live_bytes;
  result_.dead_bytes = plan.dead_bytes;
  std::set<PackName> known;
  std::set<ChunkId> known_chunks;
  for (const StoredDoom& stored : dooms) {
    if (stored.doom.reason != DoomReason::kPrune) continue;
    known.insert(stored.doom.packs.begin(), stored.doom.packs.end());
    known_chunks.insert(stored.doom.chunks.begin(), stored.doom.chunks.end());
  }
  Doom doom;
  for (const auto* names : {&plan.dead_packs, &plan.orphans}) {
    for (const PackName& name : *names) {
      if (!known.contains(name) && !holds.contains(name)) doom.packs.push_back(name);
    }
  }
  // What is archived cannot be read for rewriting; it goes when nothing in it is needed any more.
  const std::set<PackName> archived = archived_packs(store_);
  for (const PackName& name : plan.wasteful_packs) {
    if (holds.contains(name) || archived.contains(name)) continue;
    for (const ChunkId& id : use.at(name).dead_chunks) {
      if (!known_chunks.contains(id)) doom.chunks.push_back(id);
    }
  }
  result_.marked_packs = doom.packs.size();
  result_.waiting_bytes = plan.dead_bytes - std::min(plan.dead_bytes, result_.locked_bytes);
  if (!job_.dry_run) remove_covered(live.index());
  if (job_.dry_run || (doom.packs.empty() && doom.chunks.empty())) return;
  write_doom(store_, vault_.ring(), doom);
}

PackHolds Prune::ask_locks(const Index& index, const std::vector<PackName>& names) {
  std::vector<SegmentPack> packs;
  for (const PackName& name : names) packs.push_back(stored_.at(name));
  return find_pack_holds(store_, index, packs, stop_);
}

void Prune::count_locked(const std::map<PackName, PackUse>& use, const PackHolds& holds) {
  for (const auto& [name, until] : holds) {
    const auto known = use.find(name);
    const bool partly = known != use.end() && known->second.live_chunks > 0;
    ++result_.locked_packs;
    result_.locked_bytes += known == use.end() ? stored_.at(name).size : known->second.dead_bytes;
    if (partly) continue;  // may stay locked for as long as backups need the rest of it
    result_.lock_first_ends = std::min(result_.lock_first_ends.value_or(until), until);
    result_.lock_last_ends = std::max(result_.lock_last_ends.value_or(until), until);
  }
}

// Merging leaves the small segments where locks hold them, and so does a crash.
void Prune::remove_covered(const Index& index) {
  std::set<SegmentName> covered;
  for (const Segment& segment : index.segments()) {
    for (std::uint32_t i = 0; i < segment.covers(); ++i) covered.insert(segment.covered(i));
  }
  std::vector<SegmentName> present;
  store_.list("index/", [&](const ObjectInfo& info) {
    const auto name = parse_segment_key(info.key);
    if (name && covered.contains(*name)) present.push_back(*name);
  });
  remove_free_segments(store_, present);
}

// Old enough, and nobody is at work who may not have seen the mark.
bool Prune::is_ripe(const StoredDoom& stored, Timestamp now, const std::vector<LeaseInfo>& leases) {
  if (stored.doom.reason != DoomReason::kPrune) return false;
  const Duration age = std::chrono::floor<std::chrono::milliseconds>(now) -
                       std::chrono::floor<std::chrono::milliseconds>(stored.modified);
  if (age < job_.grace) {
    result_.waiting_for.push_back(fmt::format("{} is in its grace period for another {}",
                                              stored.key, format_duration(job_.grace - age)));
    return false;
  }
  for (const LeaseInfo& lease : leases) {
    if (lease.key == lease_->key()) continue;
    // A copy relies on packs that it finds there, whatever marks say: it brings what others made.
    const bool knows_marks = !lease.holder.starts_with("copy ");
    if (knows_marks && is_after(lease.created, stored.modified)) continue;
    result_.waiting_for.push_back(lease.holder);
    return false;
  }
  return true;
}

void Prune::sweep() {
  const std::vector<StoredDoom> dooms = read_dooms(store_, vault_.ring());
  const Timestamp now = store_now(store_);
  const std::vector<LeaseInfo> leases = live_leases(store_, now);
  std::set<PackName> packs;
  DoomedChunks chunks;
  std::vector<std::string> ripe;
  for (const StoredDoom& stored : dooms) {
    if (!is_ripe(stored, now, leases)) continue;
    packs.insert(stored.doom.packs.begin(), stored.doom.packs.end());
    for (const ChunkId& id : stored.doom.chunks) {
      const auto [known, fresh] = chunks.try_emplace(id, stored.modified);
      if (!fresh) known->second = std::min(known->second, stored.modified);
    }
    ripe.push_back(stored.key);
  }
  if (ripe.empty()) return;
  // Backups that were committed since the mark, by those who had a lease then, are read here: after
  // the leases.
  const std::vector<BackupName> backups = list_backups(store_);
  const DoomSet doomed(dooms);
  const LiveSet live = reachable_from(vault_, backups, sound_index(), doomed, stop_);
  stored_ = stored_packs(store_, times_);
  const auto use = pack_use(live, !vault_.ring().can_read(), doomed);
  std::set<PackName> gone;
  for (const PackName& name : packs) {
    const auto found = use.find(name);
    const bool revived = found != use.end() && found->second.live_chunks > 0;
    if (stored_.contains(name) && !revived) gone.insert(name);
  }
  std::set<PackName> wasteful;
  const PrunePlan plan = plan_prune(use, stored_, job_.max_unused_percent);
  std::vector<PackName> candidates(gone.begin(), gone.end());
  candidates.insert(candidates.end(), plan.wasteful_packs.begin(), plan.wasteful_packs.end());
  // They may have been locked after the mark. When the lock has ended they are marked anew.
  const PackHolds holds = ask_locks(live.index(), candidates);
  std::erase_if(gone, [&](const PackName& name) { return holds.contains(name); });
  const std::set<PackName> archived = archived_packs(store_);
  for (const PackName& name : plan.wasteful_packs) {
    if (holds.contains(name) || archived.contains(name)) continue;
    const auto& dead = use.at(name).dead_chunks;
    // Only what is doomed may go: somebody may have begun to rely on the rest.
    const bool ready = std::any_of(dead.begin(), dead.end(),
                                   [&](const ChunkId& id) { return may_go(chunks, name, id); });
    if (ready) wasteful.insert(name);
  }
  stop_if_asked();
  rewrite(live, wasteful, chunks);
  result_.rewritten_packs = wasteful.size();
  gone.insert(wasteful.begin(), wasteful.end());
  // Another prune that took this one for dead must not be disturbed.
  if (!lease_->confirm()) {
    throw Error(Code::kConflict, "the prune lost its lease to another one; nothing was removed",
                "run it again");
  }
  // Segments that others cover may be locked as well; ours only knew those that count.
  for (const auto& held : drop_from_index(store_, vault_.ring(), gone)) gone.erase(held.first);
  result_.removed_packs = static_cast<std::uint64_t>(std::count_if(
      gone.begin(), gone.end(), [&](const PackName& name) { return !wasteful.contains(name); }));
  remove_packs(gone);
  remove_dooms(ripe);
}

// One that is locked stays without harm: writers store again what it lists, as they do anyway.
void Prune::remove_dooms(const std::vector<std::string>& keys) {
  const Locks locks = find_locks(store_, keys, stop_);
  for (const std::string& key : keys) {
    if (!locks.contains(key)) store_.remove(key);
  }
}

// Uploads that crashed writers left are paid for and seen by nobody.
void Prune::clean_up() {
  try {
    store_.clean_up();
  } catch (const Error& error) {
    // Not every store or key lets us look for them; a prune is good without.
    if (error.code() != Code::kDenied && error.code() != Code::kUnsupported) throw;
  }
}

// A pack that is younger than the mark may be of a writer who saw the mark, stored the doomed chunk
// anew in it, and has not committed yet.
bool Prune::may_go(const DoomedChunks& doomed, const PackName& pack, const ChunkId& id) const {
  const auto mark = doomed.find(id);
  const auto written = times_.find(pack);
  return mark != doomed.end() && written != times_.end() && is_after(mark->second, written->second);
}

// A pack that is moved unread gets a new name, by which its damage could not be seen any more.
void Prune::leave_altered(std::set<PackName>& packs) {
  for (const PackName& name : std::set<PackName>(packs)) {
    const SegmentPack& pack = stored_.at(name);
    stop_if_asked();
    if (!is_named_by_hash(vault_, pack_key(pack.pack_class, name), pack.size, stop_)) {
      leave_damaged(packs, name, {});
    }
  }
}

// Without chunks: nothing of the pack can be trusted.
void Prune::leave_damaged(std::set<PackName>& packs, const PackName& pack,
                          std::vector<ChunkId> damaged) {
  packs.erase(pack);
  ++result_.damaged_packs;
  write_doom(store_, vault_.ring(), {DoomReason::kDamaged, {pack}, std::move(damaged)});
}

// What of a pack was moved before its damage was met is there twice, which does no harm.
void Prune::rewrite(const LiveSet& live, std::set<PackName>& packs, const DoomedChunks& doomed) {
  if (!vault_.ring().can_read()) leave_altered(packs);
  if (packs.empty()) return;
  FrameReader frames(vault_, std::shared_ptr<const Index>(std::shared_ptr<void>(), &live.index()));
  Repacker repacker(vault_, frames, job_.level != 0 ? job_.level : kDefaultCompression);
  std::set<PackName> done;
  for (std::uint32_t s = 0; s < live.index().segments().size(); ++s) {
    const Segment& segment = live.index().segments()[s];
    // The chunks of each frame in question, in the order in which they lie in it.
    std::unordered_map<std::uint32_t, std::vector<PlacedCopy>> chunks;
    std::vector<bool> wanted(segment.packs());
    for (std::uint32_t p = 0; p < segment.packs(); ++p) {
      const PackName name = segment.pack(p).name;
      wanted[p] = packs.contains(name) && done.insert(name).second;
    }
    for (std::uint64_t i = 0; i < segment.chunks(); ++i) {
      const ChunkLocation chunk = segment.chunk(i);
      const std::uint32_t pack = segment.frame(chunk.frame).pack;
      if (!wanted[pack]) continue;
      // By its copy: another one may be needed because this one is damaged.
      const bool keep = live.is_live(s, i) || !may_go(doomed, segment.pack(pack).name, chunk.id);
      chunks[chunk.frame].push_back({chunk.offset, {{chunk.id, chunk.length}, keep}});
    }
    for (std::uint32_t f = 0; f < segment.frames(); ++f) {
      const auto found = chunks.find(f);
      const PackName pack = segment.pack(segment.frame(f).pack).name;
      if (found == chunks.end() || !packs.contains(pack)) continue;
      stop_if_asked();
      std::vector<ChunkId> damaged = repacker.move({s, f}, in_order(std::move(found->second)));
      if (!damaged.empty()) leave_damaged(packs, pack, std::move(damaged));
    }
  }
  SegmentBuilder index = repacker.finish();
  rewritten_bytes_ = repacker.bytes_written();
  if (!index.empty()) write_segment(store_, vault_.ring(), index.build());
}

void Prune::remove_packs(const std::set<PackName>& gone) {
  std::uint64_t bytes = 0;
  for (const PackName& name : gone) {
    const SegmentPack& pack = stored_.at(name);
    store_.remove(pack_key(pack.pack_class, name));
    bytes += pack.size;
  }
  result_.freed_bytes += bytes > rewritten_bytes_ ? bytes - rewritten_bytes_ : 0;
  result_.waiting_bytes -= std::min(result_.waiting_bytes, bytes);
}

PruneResult Prune::run() {
  const Duration begin = vault_.clock().monotonic();
  if (!store_.traits().can_remove && !job_.dry_run) {
    throw Error(Code::kDenied, store_.traits().url + " does not let us remove anything",
                "prune with an account that may remove objects");
  }
  if (!job_.dry_run) {
    vault_.require_writable();
    lease_.emplace(store_, vault_.clock(), "prune", true);
  }
  stored_ = stored_packs(store_, times_);
  mark();
  if (!job_.dry_run) {
    sweep();
    clean_up();
  }
  result_.duration = vault_.clock().monotonic() - begin;
  return result_;
}

}  // namespace

PruneResult prune(const Vault& vault, const PruneJob& job, std::stop_token stop) {
  Prune run(vault, job, std::move(stop));
  return run.run();
}

}  // namespace holdfast
