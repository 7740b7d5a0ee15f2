// A store with locks, by a clock of the test.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "os/clock.h"
#include "os/mutex.h"
#include "store/s3/options.h"
#include "store/wrappers.h"

namespace holdfast {

// Locks every object that is written for `period`, except below the prefixes that an S3 store
// spares. It is stricter than a versioned bucket: to remove or replace a locked object is
// Error(kDenied), and is remembered.
class LockingStore final : public ForwardingStore {
 public:
  LockingStore(ObjectStore& inner, Clock& clock, Duration period,
               std::vector<std::string> never_locked = S3Options{}.never_locked);

  void put(std::string_view key, ByteView data) override;
  bool put_new(std::string_view key, ByteView data) override;
  bool replace(std::string_view key, ByteView data, std::string_view etag) override;
  std::unique_ptr<StagedObject> stage() override;
  void remove(std::string_view key) override;
  std::optional<Timestamp> locked_until(std::string_view key) override;
  void lock_until(std::string_view key, Timestamp until) override;

  // What was tried in spite of a lock.
  std::vector<std::string> attempts() const;
  std::uint64_t extensions() const;
  // lock_until fails with kUnavailable from the call on that comes after so many.
  void fail_extensions_after(std::uint64_t count);

 private:
  class Staged;

  void refuse_locked(std::string_view key);
  void created(std::string_view key);

  Clock& clock_;
  const Duration period_;
  const std::vector<std::string> never_locked_;
  mutable Mutex mutex_;
  std::map<std::string, Timestamp, std::less<>> locks_ GUARDED_BY(mutex_);
  std::vector<std::string> attempts_ GUARDED_BY(mutex_);
  std::uint64_t extensions_ GUARDED_BY(mutex_) = 0;
  std::optional<std::uint64_t> fail_after_ GUARDED_BY(mutex_);
};

}  // namespace holdfast
