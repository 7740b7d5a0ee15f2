#include "store/memory_store.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace holdfast {

class MemoryStore::Staged final : public StagedObject {
 public:
  explicit Staged(MemoryStore& store) : store_(store) {}

  void append(ByteView data) override {
    require_open();
    holdfast::append(data_, data);
  }

  bool commit(std::string_view key, std::string_view) override {
    require_open();
    committed_ = true;
    check_key(key);
    return store_.create(key, std::move(data_));
  }

 private:
  void require_open() const {
    if (committed_) throw Error(Code::kInternal, "the staged object was committed before");
  }

  MemoryStore& store_;
  Bytes data_;
  bool committed_ = false;
};

StoreTraits MemoryStore::traits() const {
  return {.url = "memory:",
          .conditional_create = true,
          .conditional_replace = true,
          .can_remove = true,
          .parallelism = 4};
}

void MemoryStore::put(std::string_view key, ByteView data) {
  check_key(key);
  Bytes copy = to_bytes(data);
  const std::lock_guard lock(mutex_);
  objects_.insert_or_assign(std::string(key), make_object(std::move(copy)));
}

bool MemoryStore::put_new(std::string_view key, ByteView data) {
  check_key(key);
  return create(key, to_bytes(data));
}

bool MemoryStore::replace(std::string_view key, ByteView data, std::string_view etag) {
  check_key(key);
  Bytes copy = to_bytes(data);
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(key);
  if (found == objects_.end() || info_of(found->first, found->second).etag != etag) return false;
  found->second = make_object(std::move(copy));
  return true;
}

std::unique_ptr<StagedObject> MemoryStore::stage() { return std::make_unique<Staged>(*this); }

Bytes MemoryStore::get(std::string_view key) {
  check_key(key);
  return *content_of(key);
}

void MemoryStore::read(std::string_view key, std::uint64_t offset, MutableBytes out) {
  check_key(key);
  const Content content = content_of(key);
  if (offset > content->size() || out.size() > content->size() - offset) {
    throw Error(Code::kCorrupt, "object " + std::string(key) + " is shorter than expected");
  }
  std::copy_n(content->begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
}

std::optional<ObjectInfo> MemoryStore::stat(std::string_view key) {
  check_key(key);
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(key);
  if (found == objects_.end()) return std::nullopt;
  return info_of(found->first, found->second);
}

void MemoryStore::list(std::string_view prefix,
                       const std::function<void(const ObjectInfo&)>& visit) {
  std::vector<ObjectInfo> found;
  {
    const std::lock_guard lock(mutex_);
    for (auto at = objects_.lower_bound(prefix);
         at != objects_.end() && at->first.starts_with(prefix); ++at) {
      found.push_back(info_of(at->first, at->second));
    }
  }
  // Without the lock, since the visitor may call the store.
  for (const ObjectInfo& info : found) visit(info);
}

void MemoryStore::remove(std::string_view key) {
  check_key(key);
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(key);
  if (found != objects_.end()) objects_.erase(found);
}

ObjectInfo MemoryStore::info_of(const std::string& key, const Object& object) {
  return {key, object.content->size(), object.modified, std::to_string(object.version)};
}

bool MemoryStore::create(std::string_view key, Bytes data) {
  const std::lock_guard lock(mutex_);
  if (objects_.contains(key)) return false;
  objects_.emplace(key, make_object(std::move(data)));
  return true;
}

MemoryStore::Content MemoryStore::content_of(std::string_view key) {
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(key);
  if (found == objects_.end()) {
    throw Error(Code::kNotFound, "there is no object " + std::string(key));
  }
  return found->second.content;
}

MemoryStore::Object MemoryStore::make_object(Bytes data) {
  return {std::make_shared<const Bytes>(std::move(data)), clock_.now(), ++version_};
}

}  // namespace holdfast
