// Objects in memory, for tests and simulations. Gone with the process.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "os/clock.h"
#include "store/object_store.h"

namespace holdfast {

// Keeps the whole contract of ObjectStore but durability. `clock`, which must outlive the store,
// gives the times of modification. Staged objects must not outlive the store.
class MemoryStore final : public ObjectStore {
 public:
  explicit MemoryStore(Clock& clock) : clock_(clock) {}

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

 private:
  class Staged;
  using Content = std::shared_ptr<const Bytes>;
  struct Object {
    Content content;
    Timestamp modified{};
    std::uint64_t version = 0;  // of the store, hence never used twice
  };

  static ObjectInfo info_of(const std::string& key, const Object& object);
  bool create(std::string_view key, Bytes data);
  Content content_of(std::string_view key);
  Object make_object(Bytes data);

  Clock& clock_;
  std::mutex mutex_;  // guards all below
  std::map<std::string, Object, std::less<>> objects_;
  std::uint64_t version_ = 0;
};

}  // namespace holdfast
