// A store in which a dry run can do its work: everything seems to happen, nothing does.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "store/memory_store.h"
#include "store/wrappers.h"

namespace holdfast {

// Reads from `inner`, which it owns and never changes. Small objects (leases, index segments) are
// kept in memory and can be read back; staged objects (packs) are counted and dropped.
class DryRunStore final : public ForwardingStore {
 public:
  DryRunStore(std::unique_ptr<ObjectStore> inner, Clock& clock);

  StoreTraits traits() const override;
  void put(std::string_view key, ByteView data) override;
  bool put_new(std::string_view key, ByteView data) override;
  bool replace(std::string_view key, ByteView data, std::string_view etag) override;
  std::unique_ptr<StagedObject> stage() override;
  Bytes get(std::string_view key) override;
  void read(std::string_view key, std::uint64_t offset, MutableBytes out) override;
  std::optional<ObjectInfo> stat(std::string_view key) override;
  void list(std::string_view prefix, const std::function<void(const ObjectInfo&)>& visit) override;
  void remove(std::string_view key) override;
  void lock_until(std::string_view, Timestamp) override {}

 private:
  bool is_removed(std::string_view key) const;

  std::unique_ptr<ObjectStore> owned_;
  MemoryStore written_;
  mutable std::mutex mutex_;  // guards removed_
  std::set<std::string, std::less<>> removed_;
};

}  // namespace holdfast
