// Packs in an archive tier: which of them are needed, asking for them, and waiting until they can
// be read.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "protect/needed_pack.h"
#include "protect/restore.h"
#include "vault/chunk_reader.h"

namespace holdfast {

// Which packs hold some chunks: of each chunk the copy that a restore would read. One thread.
class PackNeeds {
 public:
  explicit PackNeeds(std::shared_ptr<const Index> index);
  void add(const Ref& chunk);
  // By key, each once.
  std::vector<NeededPack> packs() const;

 private:
  std::shared_ptr<const Index> index_;
  std::vector<std::vector<bool>> needed_;  // by segment and pack
};

// The packs of content that a restore would read if nothing were in place yet. Needs a ring that
// can read. Throws what reading a backup throws, and kCancelled.
std::vector<NeededPack> packs_of_restore(const Vault& vault, const RestoreJob& job,
                                         std::stop_token stop);

// Packs of content that may be archived. One listing.
std::set<PackName> archived_packs(ObjectStore& store);
// Without any, there is nothing to plan.
bool may_have_archived(ObjectStore& store);

struct ThawPlan {
  std::vector<NeededPack> archived;  // to be asked for
  std::vector<NeededPack> thawing;   // were asked for already
  bool empty() const { return archived.empty() && thawing.empty(); }
  std::size_t packs() const { return archived.size() + thawing.size(); }
  std::uint64_t bytes() const;
};

// Which of `needed` cannot be read now. Nothing, when the store reads at once what it calls
// archived: with some stores (Ceph) the archive tier is but another pool. Packs that are gone are
// left out: whoever reads looks for other copies.
ThawPlan plan_thaw(ObjectStore& store, std::vector<NeededPack> needed, std::stop_token stop);

struct ThawStatus {
  std::size_t packs = 0;
  std::size_t ready_packs = 0;
  std::uint64_t bytes = 0;
  std::uint64_t ready_bytes = 0;
  Duration waited{};
};

inline constexpr unsigned kThawDays = 7;
inline constexpr Duration kThawPoll = std::chrono::minutes{1};

// Asks for all archived packs of the plan, to be readable for so many days.
void request_packs(ObjectStore& store, const ThawPlan& plan, unsigned days, std::stop_token stop);

// What was asked for so often and is still archived, not even on its way, will not come.
inline constexpr unsigned kThawTries = 5;

// Looks every minute until all packs of the plan can be read, and calls `report` each time. What is
// archived (again) is asked for again. Throws kCancelled; what was asked for stays asked for.
// Throws kUnsupported for a pack that the store neither reads nor brings (kThawTries).
void wait_for_packs(ObjectStore& store, Clock& clock, const ThawPlan& plan, unsigned days,
                    const std::function<void(const ThawStatus&)>& report, std::stop_token stop);

}  // namespace holdfast
