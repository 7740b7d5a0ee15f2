#include "protect/copy_loss.h"

#include <algorithm>

#include "base/error.h"
#include "protect/copy_mark.h"
#include "protect/object_transfer.h"
#include "vault/doom.h"
#include "vault/tree.h"

namespace holdfast {
namespace {

bool is_damage(const Error& error) {
  return error.code() == Code::kCorrupt || error.code() == Code::kNotFound;
}

std::vector<SegmentPack> packs_of(const Segment& segment) {
  std::vector<SegmentPack> packs;
  for (std::uint32_t i = 0; i < segment.packs(); ++i) packs.push_back(segment.pack(i));
  return packs;
}

std::set<PackName> packs_of(const Index& index) {
  std::set<PackName> names;
  for (const Segment& segment : index.segments()) {
    for (const SegmentPack& pack : packs_of(segment)) names.insert(pack.name);
  }
  return names;
}

std::string key_of(const SegmentPack& pack) { return pack_key(pack.pack_class, pack.name); }

}  // namespace

void CopyLoss::read_index(const Vault& vault) {
  vault_ = &vault;
  reader_ = std::make_unique<ChunkReader>(vault);
  index_ = reader_->frames()->shared_index();
}

bool CopyLoss::find_missing() {
  std::map<std::string, PackName> missing;
  for (const Segment& segment : index_->segments()) {
    for (const SegmentPack& pack : packs_of(segment)) {
      const std::string key = key_of(pack);
      if (!listing_.source.contains(key)) missing.emplace(key, pack.name);
    }
  }
  if (missing.empty()) return true;
  // A prune takes a pack out of the index before it removes it.
  for (const auto& [key, pack] : missing) {
    if (from_.stat(key)) return false;
  }
  const std::set<PackName> named = packs_of(*vault_->load_index());
  for (const auto& [key, pack] : missing) {
    if (!named.contains(pack)) return false;
  }
  for (const auto& [key, pack] : missing) {
    add(key, "is missing", !listing_.destination.contains(key));
  }
  return true;
}

void CopyLoss::add(const std::string& key, const std::string& problem, bool lost) {
  MutexLock lock(mutex_);
  damage_.push_back({key, problem});
  if (lost) lost_.insert(key);
}

bool CopyLoss::any_lost() const {
  MutexLock lock(mutex_);
  return !lost_.empty();
}

bool CopyLoss::is_lost(const std::string& key) const {
  MutexLock lock(mutex_);
  return lost_.contains(key);
}

std::vector<CopyDamage> CopyLoss::damage() const {
  MutexLock lock(mutex_);
  std::vector<CopyDamage> all = damage_;
  std::sort(all.begin(), all.end(),
            [](const CopyDamage& a, const CopyDamage& b) { return a.object < b.object; });
  return all;
}

std::set<PackName> CopyLoss::packs_at_destination() const {
  return packs_of(*Index::load(to_, vault_->ring(), ""));
}

void CopyLoss::write_reduced_index(std::vector<std::string>& keys) {
  if (!any_lost()) return;
  std::optional<std::set<PackName>> indexed;
  std::erase_if(keys, [&](const std::string& key) {
    const auto name = parse_segment_key(key);
    if (!name) return false;
    Segment segment;
    try {
      segment = Segment::from_memory(*name, read_segment(from_, vault_->ring(), *name));
      segment.check();
    } catch (const Error& error) {
      if (!is_damage(error)) throw;
      return false;  // whoever copies it meets the same
    }
    std::vector<PackName> left_out;
    std::vector<PackName> kept;
    for (const SegmentPack& pack : packs_of(segment)) {
      (is_lost(key_of(pack)) ? left_out : kept).push_back(pack.name);
    }
    if (left_out.empty()) return false;
    if (!indexed) indexed = packs_at_destination();
    const bool known = std::all_of(kept.begin(), kept.end(),
                                   [&](const PackName& pack) { return indexed->contains(pack); });
    if (!known) {  // else an earlier run has written it
      SegmentBuilder builder;
      builder.add(segment, false, [&](const SegmentPack& pack) { return !is_lost(key_of(pack)); });
      write_segment(to_, vault_->ring(), builder.build());
      indexed->insert(kept.begin(), kept.end());
    }
    reduced_.emplace(key, std::move(left_out));
    return true;
  });
}

CopyLoss::Fate CopyLoss::fate_of(const ChunkId& id) const {
  const auto is_listed = [&](const std::string& key) {
    return listing_.source.contains(key) || listing_.destination.contains(key);
  };
  Fate fate = Fate::kLeftOut;
  for (const ChunkPlace& place : index_->find(id)) {
    const Segment& segment = index_->segments()[place.segment];
    const std::string pack = key_of(segment.pack(segment.frame(place.chunk.frame).pack));
    const std::string index = segment_key(segment.name());
    if (is_lost(pack) || is_lost(index)) continue;
    if (is_listed(pack) && is_listed(index)) return Fate::kWhole;
    fate = Fate::kChanging;  // was merged or moved between two listings
  }
  return fate;
}

CopyLoss::Fate CopyLoss::fate_of(const BackupName& name, std::stop_token stop) {
  Fate fate = Fate::kWhole;
  std::vector<ChunkId> pages;
  const auto visit = [&](const Ref& ref) {
    if (stop.stop_requested()) throw Error(Code::kCancelled, "interrupted");
    if (fate == Fate::kWhole) fate = fate_of(ref.id);
    if (ref.kind == ChunkKind::kRefs) pages.push_back(ref.id);
  };
  try {
    for_each_reachable(
        *reader_, read_backup(*vault_, name).summary.reach,
        [&](const Ref& page) { return fate != Fate::kWhole || whole_.contains(page.id); }, visit);
  } catch (const Error& error) {
    if (!is_damage(error)) throw;
    return from_.stat(name.key()) ? Fate::kLeftOut : Fate::kChanging;
  }
  if (fate == Fate::kWhole) whole_.insert(pages.begin(), pages.end());
  return fate;
}

void CopyLoss::write_marks() {
  std::map<std::string, std::vector<PackName>> marks = reduced_;
  {
    MutexLock lock(mutex_);
    for (const std::string& key : lost_) {
      const auto pack = parse_pack_key(key);
      marks[key] = pack ? std::vector<PackName>{pack->second} : std::vector<PackName>{};
    }
  }
  for (const auto& [key, packs] : marks) {
    const std::string mark = copy_mark(key);
    if (to_.stat(mark)) continue;
    write_doom_as(to_, vault_->ring(), std::string_view(mark).substr(5),
                  {DoomReason::kDamaged, packs, {}});
  }
}

bool CopyLoss::has_arrived(const std::string& key, const std::stop_token& stop) {
  const auto info = to_.stat(key);
  return info && hash_object(to_, key, info->size, stop) == hash_in_name(key);
}

void CopyLoss::lift_marks(std::stop_token stop) {
  std::set<std::string> marks;
  to_.list("doom/", [&](const ObjectInfo& info) {
    if (is_copy_mark(info.key)) marks.insert(info.key);
  });
  if (marks.empty()) return;
  std::map<std::string, std::string> objects;  // by their marks
  for (const ObjectSizes* sizes : {&listing_.source, &listing_.destination}) {
    for (const auto& [key, size] : *sizes) {
      if (hash_in_name(key)) objects.emplace(copy_mark(key), key);
    }
  }
  {
    MutexLock lock(mutex_);
    for (const std::string& key : lost_) marks.erase(copy_mark(key));
  }
  for (const auto& [key, packs] : reduced_) marks.erase(copy_mark(key));
  for (const std::string& mark : marks) {
    const auto object = objects.find(mark);
    // What neither place has was pruned, or is still missing: only the index tells.
    const bool over = object == objects.end() ? has_index() : has_arrived(object->second, stop);
    if (!over) continue;
    try {
      to_.remove(mark);
    } catch (const Error& error) {
      if (error.code() != Code::kDenied) throw;  // it costs a later writer a chunk, no more
    }
  }
}

}  // namespace holdfast
