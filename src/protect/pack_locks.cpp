#include "protect/pack_locks.h"

#include <algorithm>
#include <set>

#include "store/locks.h"

namespace holdfast {
namespace {

void hold(PackHolds& holds, const PackName& pack, Timestamp until) {
  Timestamp& latest = holds.try_emplace(pack, until).first->second;
  latest = std::max(latest, until);
}

std::vector<PackName> named_by(const Segment& segment, const std::set<PackName>& wanted) {
  std::vector<PackName> names;
  for (std::uint32_t p = 0; p < segment.packs(); ++p) {
    const PackName name = segment.pack(p).name;
    if (wanted.contains(name)) names.push_back(name);
  }
  return names;
}

}  // namespace

PackHolds find_pack_holds(ObjectStore& store, const Index& index,
                          const std::vector<SegmentPack>& packs, std::stop_token stop) {
  std::map<std::string, std::vector<PackName>> holders;  // by the key of what may be locked
  std::set<PackName> wanted;
  for (const SegmentPack& pack : packs) {
    holders[pack_key(pack.pack_class, pack.name)] = {pack.name};
    wanted.insert(pack.name);
  }
  for (const Segment& segment : index.segments()) {
    auto named = named_by(segment, wanted);
    if (!named.empty()) holders[segment_key(segment.name())] = std::move(named);
  }
  std::vector<std::string> keys;
  for (const auto& [key, names] : holders) keys.push_back(key);
  PackHolds holds;
  for (const auto& [key, until] : find_locks(store, keys, std::move(stop))) {
    for (const PackName& pack : holders.at(key)) hold(holds, pack, until);
  }
  return holds;
}

}  // namespace holdfast
