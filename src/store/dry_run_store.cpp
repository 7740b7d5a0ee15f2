#include "store/dry_run_store.h"

#include <map>

#include "base/error.h"

namespace holdfast {
namespace {

class DroppedObject final : public StagedObject {
 public:
  void append(ByteView) override {}
  bool commit(std::string_view key, std::string_view) override {
    check_key(key);
    return true;
  }
};

}  // namespace

DryRunStore::DryRunStore(std::unique_ptr<ObjectStore> inner, Clock& clock)
    : ForwardingStore(*inner), owned_(std::move(inner)), written_(clock) {}

bool DryRunStore::is_removed(std::string_view key) const {
  const std::lock_guard lock(mutex_);
  return removed_.contains(key);
}

StoreTraits DryRunStore::traits() const {
  StoreTraits traits = owned_->traits();
  traits.can_remove = traits.conditional_create = traits.conditional_replace = true;
  return traits;
}

void DryRunStore::put(std::string_view key, ByteView data) { written_.put(key, data); }

bool DryRunStore::put_new(std::string_view key, ByteView data) {
  if (!is_removed(key) && owned_->stat(key)) return false;
  return written_.put_new(key, data);
}

bool DryRunStore::replace(std::string_view key, ByteView data, std::string_view etag) {
  if (written_.stat(key)) return written_.replace(key, data, etag);
  const auto info = is_removed(key) ? std::nullopt : owned_->stat(key);
  if (!info || info->etag != etag) return false;
  written_.put(key, data);
  return true;
}

std::unique_ptr<StagedObject> DryRunStore::stage() { return std::make_unique<DroppedObject>(); }

Bytes DryRunStore::get(std::string_view key) {
  if (written_.stat(key) || is_removed(key)) return written_.get(key);
  return owned_->get(key);
}

void DryRunStore::read(std::string_view key, std::uint64_t offset, MutableBytes out) {
  if (written_.stat(key) || is_removed(key)) return written_.read(key, offset, out);
  owned_->read(key, offset, out);
}

std::optional<ObjectInfo> DryRunStore::stat(std::string_view key) {
  if (auto info = written_.stat(key)) return info;
  if (is_removed(key)) return std::nullopt;
  return owned_->stat(key);
}

void DryRunStore::list(std::string_view prefix,
                       const std::function<void(const ObjectInfo&)>& visit) {
  std::map<std::string, ObjectInfo> merged;
  owned_->list(prefix, [&](const ObjectInfo& info) {
    if (!is_removed(info.key)) merged[info.key] = info;
  });
  written_.list(prefix, [&](const ObjectInfo& info) { merged[info.key] = info; });
  for (const auto& [key, info] : merged) visit(info);
}

void DryRunStore::remove(std::string_view key) {
  written_.remove(key);
  const std::lock_guard lock(mutex_);
  removed_.emplace(key);
}

}  // namespace holdfast
