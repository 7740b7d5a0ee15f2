#include "protect/thaw.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <span>

#include "base/error.h"
#include "os/parallel.h"
#include "protect/restore_preflight.h"
#include "protect/selection.h"
#include "vault/tree.h"

namespace holdfast {
namespace {

// Up to so many, asking for each is quicker than listing all packs.
constexpr std::size_t kFew = 32;
// Looked at together; a look at the others waits until these are ready.
constexpr std::size_t kBatch = 200;

void check_stop(const std::stop_token& stop) {
  if (stop.stop_requested()) throw Error(Code::kCancelled, "interrupted");
}

// Nothing when the object is gone.
std::optional<Tier> tier_of(ObjectStore& store, const std::string& key) {
  try {
    return store.tier(key);
  } catch (const Error& error) {
    if (error.code() != Code::kNotFound) throw;
    return std::nullopt;
  }
}

std::vector<std::optional<Tier>> tiers_of(ObjectStore& store, std::span<const NeededPack> packs,
                                          const std::stop_token& stop) {
  std::vector<std::optional<Tier>> tiers(packs.size());
  in_parallel(store.traits().parallelism, packs.size(), stop,
              [&](std::size_t i) { tiers[i] = tier_of(store, packs[i].key); });
  return tiers;
}

// Leaves only what a listing says may be archived.
void keep_listed(ObjectStore& store, std::vector<NeededPack>& packs) {
  std::set<std::string, std::less<>> prefixes, listed;
  for (const NeededPack& pack : packs) prefixes.insert(pack.key.substr(0, pack.key.find('/') + 1));
  for (const std::string& prefix : prefixes) {
    store.list_archived(prefix, [&](const ObjectInfo& info) { listed.insert(info.key); });
  }
  std::erase_if(packs, [&](const NeededPack& pack) { return !listed.contains(pack.key); });
}

// True when a store reads at once what it calls archived.
bool reads_at_once(ObjectStore& store, const NeededPack& pack) {
  std::array<std::uint8_t, 1> byte{};
  try {
    store.read(pack.key, 0, byte);
    return true;
  } catch (const Error& error) {
    if (error.code() != Code::kUnsupported && error.code() != Code::kDenied) throw;
    return false;
  }
}

// Some stores take each request for an object and go on calling it archived, as one that is in no
// archive by their other word. What can be read all the same is ready.
class Stubborn {
 public:
  explicit Stubborn(ObjectStore& store) : store_(store) {}

  // A pack that is archived although it was asked for. True when it can be read.
  bool is_ready(const NeededPack& pack) {
    if (++asked_[pack.key] < kThawTries) return false;
    if (reads_at_once(store_, pack)) return true;
    throw Error(Code::kUnsupported,
                fmt::format("{} does not come out of the archive tier: the store took {} requests "
                            "for it without an error, and still says that nobody asked",
                            pack.key, asked_[pack.key]),
                "look at it with the store's own tools (storage class, restore status), or take "
                "the pack from another copy: holdfast repair --from COPY");
  }
  // It is on its way after all.
  void forget(const NeededPack& pack) { asked_.erase(pack.key); }

 private:
  ObjectStore& store_;
  std::map<std::string, unsigned> asked_;
};

}  // namespace

PackNeeds::PackNeeds(std::shared_ptr<const Index> index) : index_(std::move(index)) {
  for (const Segment& segment : index_->segments()) needed_.emplace_back(segment.packs());
}

void PackNeeds::add(const Ref& chunk) {
  // The first place of the right length, as a restore takes it.
  for (const ChunkPlace& place : index_->find(chunk.id)) {
    if (place.chunk.length != chunk.length) continue;
    const Segment& segment = index_->segments()[place.segment];
    needed_[place.segment][segment.frame(place.chunk.frame).pack] = true;
    return;
  }
}

std::vector<NeededPack> PackNeeds::packs() const {
  std::map<std::string, std::uint64_t> found;
  for (std::size_t s = 0; s < needed_.size(); ++s) {
    const Segment& segment = index_->segments()[s];
    for (std::uint32_t i = 0; i < segment.packs(); ++i) {
      if (!needed_[s][i]) continue;
      const SegmentPack pack = segment.pack(i);
      found.emplace(pack_key(pack.pack_class, pack.name), pack.size);
    }
  }
  std::vector<NeededPack> packs;
  packs.reserve(found.size());
  for (const auto& [key, size] : found) packs.push_back({key, size});
  return packs;
}

std::vector<NeededPack> packs_of_restore(const Vault& vault, const RestoreJob& job,
                                         std::stop_token stop) {
  const Selection selection(job.includes, job.excludes, job.strip_components);
  const StoredBackup backup = read_backup(vault, job.backup);
  require_readable(backup);
  ChunkReader reader(vault);
  PackNeeds needs(reader.frames()->shared_index());
  for_each_entry(reader, backup.root->tree, [&](const Entry& entry, std::span<const Ref> chunks) {
    check_stop(stop);
    if (entry.type != EntryType::kFile || !selection.wants(entry.path, false)) return true;
    for (const Ref& chunk : chunks) needs.add(chunk);
    return true;
  });
  return needs.packs();
}

std::set<PackName> archived_packs(ObjectStore& store) {
  std::set<PackName> names;
  store.list_archived("data/", [&](const ObjectInfo& info) {
    if (const auto named = parse_pack_key(info.key)) names.insert(named->second);
  });
  return names;
}

bool may_have_archived(ObjectStore& store) { return !archived_packs(store).empty(); }

std::uint64_t ThawPlan::bytes() const {
  std::uint64_t bytes = 0;
  for (const auto* packs : {&archived, &thawing}) {
    for (const NeededPack& pack : *packs) bytes += pack.size;
  }
  return bytes;
}

ThawPlan plan_thaw(ObjectStore& store, std::vector<NeededPack> needed, std::stop_token stop) {
  if (needed.size() > kFew) keep_listed(store, needed);
  const auto tiers = tiers_of(store, needed, stop);
  ThawPlan plan;
  for (std::size_t i = 0; i < needed.size(); ++i) {
    if (tiers[i] == Tier::kArchived) plan.archived.push_back(std::move(needed[i]));
    if (tiers[i] == Tier::kThawing) plan.thawing.push_back(std::move(needed[i]));
  }
  if (!plan.archived.empty() && reads_at_once(store, plan.archived.front())) return {};
  return plan;
}

void request_packs(ObjectStore& store, const ThawPlan& plan, unsigned days, std::stop_token stop) {
  in_parallel(store.traits().parallelism, plan.archived.size(), stop, [&](std::size_t i) {
    try {
      store.thaw(plan.archived[i].key, days);
    } catch (const Error& error) {
      if (error.code() != Code::kNotFound) throw;  // pruned meanwhile: there are other copies
    }
  });
}

void wait_for_packs(ObjectStore& store, Clock& clock, const ThawPlan& plan, unsigned days,
                    const std::function<void(const ThawStatus&)>& report, std::stop_token stop) {
  ThawStatus status{plan.packs(), 0, plan.bytes(), 0, {}};
  const Duration begin = clock.monotonic();
  Stubborn stubborn(store);
  // What was asked for first is ready first.
  std::vector<NeededPack> waiting = plan.thawing;
  waiting.insert(waiting.end(), plan.archived.begin(), plan.archived.end());
  for (;;) {
    bool all_ready = true;
    while (all_ready && !waiting.empty()) {
      const std::size_t count = std::min(kBatch, waiting.size());
      const auto tiers = tiers_of(store, std::span(waiting).first(count), stop);
      std::vector<NeededPack> left;
      ThawPlan again;
      for (std::size_t i = 0; i < count; ++i) {
        const bool archived = tiers[i] == Tier::kArchived;
        if (!archived) stubborn.forget(waiting[i]);
        if (!tiers[i] || tiers[i] == Tier::kReady || (archived && stubborn.is_ready(waiting[i]))) {
          ++status.ready_packs;
          status.ready_bytes += waiting[i].size;
          continue;
        }
        if (archived) again.archived.push_back(waiting[i]);
        left.push_back(std::move(waiting[i]));
      }
      request_packs(store, again, days, stop);
      all_ready = left.empty();
      waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(count));
      waiting.insert(waiting.end(), left.begin(), left.end());
    }
    status.waited = clock.monotonic() - begin;
    report(status);
    if (waiting.empty()) return;
    if (!clock.sleep_for(kThawPoll, stop)) throw Error(Code::kCancelled, "interrupted");
  }
}

}  // namespace holdfast
