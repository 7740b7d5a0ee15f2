#include "support/locking_store.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace holdfast {

class LockingStore::Staged final : public StagedObject {
 public:
  Staged(LockingStore& store, std::unique_ptr<StagedObject> inner)
      : store_(store), inner_(std::move(inner)) {}
  void append(ByteView data) override { inner_->append(data); }
  bool commit(std::string_view key, std::string_view sha256) override {
    const bool fresh = inner_->commit(key, sha256);
    if (fresh) store_.created(key);
    return fresh;
  }

 private:
  LockingStore& store_;
  std::unique_ptr<StagedObject> inner_;
};

LockingStore::LockingStore(ObjectStore& inner, Clock& clock, Duration period,
                           std::vector<std::string> never_locked)
    : ForwardingStore(inner),
      clock_(clock),
      period_(period),
      never_locked_(std::move(never_locked)) {}

void LockingStore::created(std::string_view key) {
  const bool spared =
      std::any_of(never_locked_.begin(), never_locked_.end(),
                  [&](const std::string& prefix) { return key.starts_with(prefix); });
  MutexLock lock(mutex_);
  if (!spared) locks_[std::string(key)] = clock_.now() + period_;
}

void LockingStore::refuse_locked(std::string_view key) {
  const auto until = locked_until(key);
  if (!until) return;
  MutexLock lock(mutex_);
  attempts_.emplace_back(key);
  throw Error(Code::kDenied, std::string(key) + " is locked until " + format_rfc3339(*until));
}

void LockingStore::put(std::string_view key, ByteView data) {
  refuse_locked(key);
  ForwardingStore::put(key, data);
  created(key);
}

bool LockingStore::put_new(std::string_view key, ByteView data) {
  const bool fresh = ForwardingStore::put_new(key, data);
  if (fresh) created(key);
  return fresh;
}

bool LockingStore::replace(std::string_view key, ByteView data, std::string_view etag) {
  refuse_locked(key);
  const bool done = ForwardingStore::replace(key, data, etag);
  if (done) created(key);
  return done;
}

std::unique_ptr<StagedObject> LockingStore::stage() {
  return std::make_unique<Staged>(*this, ForwardingStore::stage());
}

void LockingStore::remove(std::string_view key) {
  refuse_locked(key);
  ForwardingStore::remove(key);
  MutexLock lock(mutex_);
  locks_.erase(std::string(key));
}

std::optional<Timestamp> LockingStore::locked_until(std::string_view key) {
  MutexLock lock(mutex_);
  const auto found = locks_.find(key);
  if (found == locks_.end() || found->second <= clock_.now()) return std::nullopt;
  return found->second;
}

void LockingStore::lock_until(std::string_view key, Timestamp until) {
  if (!stat(key)) throw Error(Code::kNotFound, "there is no " + std::string(key));
  MutexLock lock(mutex_);
  if (fail_after_ && extensions_ >= *fail_after_) {
    throw Error(Code::kUnavailable, "no way to the store");
  }
  ++extensions_;
  Timestamp& present = locks_[std::string(key)];
  present = std::max(present, until);
}

std::vector<std::string> LockingStore::attempts() const {
  MutexLock lock(mutex_);
  return attempts_;
}

std::uint64_t LockingStore::extensions() const {
  MutexLock lock(mutex_);
  return extensions_;
}

void LockingStore::fail_extensions_after(std::uint64_t count) {
  MutexLock lock(mutex_);
  fail_after_ = extensions_ + count;
}

}  // namespace holdfast
