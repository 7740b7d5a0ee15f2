#include "protect/presence.h"

#include <algorithm>

#include "base/error.h"
#include "base/human.h"
#include "vault/pack.h"
#include "vault/tree.h"

namespace holdfast {

PresenceCheck::PresenceCheck(const Vault& vault)
    : vault_(vault), reader_(vault), index_(reader_.frames()->shared_index()) {
  for (const char* prefix : {"data/", "meta/"}) {
    vault.store().list(prefix, [&](const ObjectInfo& info) {
      if (const auto pack = parse_pack_key(info.key)) packs_[pack->second] = info.size;
    });
  }
}

bool PresenceCheck::is_there(const ChunkId& id) const {
  const auto places = index_->find(id);
  return std::any_of(places.begin(), places.end(), [&](const ChunkPlace& place) {
    const Segment& segment = index_->segments()[place.segment];
    const SegmentPack pack = segment.pack(segment.frame(place.chunk.frame).pack);
    const auto found = packs_.find(pack.name);
    return found != packs_.end() && found->second == pack.size;
  });
}

std::string PresenceCheck::trouble_of(const BackupName& name, std::stop_token stop) {
  std::uint64_t missing = 0;
  try {
    for_each_reachable(
        reader_, read_backup(vault_, name).summary.reach, [](const Ref&) { return false; },
        [&](const Ref& ref) {
          if (stop.stop_requested()) throw Error(Code::kCancelled, "interrupted");
          if (!is_there(ref.id)) ++missing;
        });
  } catch (const Error& error) {
    if (error.code() != Code::kCorrupt && error.code() != Code::kNotFound) throw;
    return error.message();
  }
  return missing == 0 ? "" : plural(missing, "chunk") + " not there";
}

}  // namespace holdfast
