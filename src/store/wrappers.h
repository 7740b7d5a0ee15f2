// Cross-cutting behaviour around a store, one class each.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "os/mutex.h"
#include "store/object_store.h"

namespace holdfast {

// Forwards every call; the base of every wrapper, so that one overrides only what it changes.
// The inner store must outlive it.
class ForwardingStore : public ObjectStore {
 public:
  explicit ForwardingStore(ObjectStore& inner) : inner_(inner) {}
  // Wrapping a wrapper must never turn into copying it.
  ForwardingStore(const ForwardingStore&) = delete;
  ForwardingStore& operator=(const ForwardingStore&) = delete;
  StoreTraits traits() const override { return inner_.traits(); }
  void put(std::string_view key, ByteView data) override { inner_.put(key, data); }
  bool put_new(std::string_view key, ByteView data) override { return inner_.put_new(key, data); }
  bool replace(std::string_view key, ByteView data, std::string_view etag) override {
    return inner_.replace(key, data, etag);
  }
  std::unique_ptr<StagedObject> stage() override { return inner_.stage(); }
  Bytes get(std::string_view key) override { return inner_.get(key); }
  void read(std::string_view key, std::uint64_t offset, MutableBytes out) override {
    inner_.read(key, offset, out);
  }
  std::optional<ObjectInfo> stat(std::string_view key) override { return inner_.stat(key); }
  void list(std::string_view prefix, const std::function<void(const ObjectInfo&)>& visit) override {
    inner_.list(prefix, visit);
  }
  void remove(std::string_view key) override { inner_.remove(key); }
  std::optional<Timestamp> locked_until(std::string_view key) override {
    return inner_.locked_until(key);
  }
  void lock_until(std::string_view key, Timestamp until) override { inner_.lock_until(key, until); }
  Tier tier(std::string_view key) override { return inner_.tier(key); }
  void list_archived(std::string_view prefix,
                     const std::function<void(const ObjectInfo&)>& visit) override {
    inner_.list_archived(prefix, visit);
  }
  void thaw(std::string_view key, unsigned days) override { inner_.thaw(key, days); }
  void clean_up() override { inner_.clean_up(); }

 protected:
  ObjectStore& inner() { return inner_; }

 private:
  ObjectStore& inner_;
};

// Refuses every change with Error(kDenied). Dry runs hand it to the same code as real runs.
class ReadOnlyStore final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  StoreTraits traits() const override;
  void read_through(std::string_view key, std::uint64_t size,
                    const std::function<void(ByteView)>& visit) override {
    inner().read_through(key, size, visit);
  }
  void put(std::string_view key, ByteView data) override;
  bool put_new(std::string_view key, ByteView data) override;
  bool replace(std::string_view key, ByteView data, std::string_view etag) override;
  std::unique_ptr<StagedObject> stage() override;
  void remove(std::string_view key) override;
  void lock_until(std::string_view key, Timestamp until) override;
  void clean_up() override {}
};

// Reads the object `key`, which nobody changes meanwhile, once at most, and owns the store that has
// it.
class RememberingStore final : public ForwardingStore {
 public:
  RememberingStore(std::unique_ptr<ObjectStore> inner, std::string key)
      : ForwardingStore(*inner), owned_(std::move(inner)), key_(std::move(key)) {}
  Bytes get(std::string_view key) override;
  void read_through(std::string_view key, std::uint64_t size,
                    const std::function<void(ByteView)>& visit) override {
    inner().read_through(key, size, visit);
  }

 private:
  const std::unique_ptr<ObjectStore> owned_;
  const std::string key_;
  Mutex mutex_;
  std::optional<Bytes> content_ GUARDED_BY(mutex_);
};

// Counts requests and bytes; any thread may read the counters at any time.
struct StoreCounters {
  std::atomic<std::uint64_t> reads{0};
  std::atomic<std::uint64_t> writes{0};
  std::atomic<std::uint64_t> removes{0};
  std::atomic<std::uint64_t> lists{0};
  std::atomic<std::uint64_t> bytes_read{0};
  std::atomic<std::uint64_t> bytes_written{0};
};

class CountingStore final : public ForwardingStore {
 public:
  CountingStore(ObjectStore& inner, StoreCounters& counters)
      : ForwardingStore(inner), counters_(counters) {}
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
  StoreCounters& counters_;
};

}  // namespace holdfast
