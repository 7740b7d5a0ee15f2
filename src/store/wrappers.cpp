#include "store/wrappers.h"

#include <utility>

#include "base/error.h"

namespace holdfast {
namespace {

[[noreturn]] void refuse(const StoreTraits& traits, std::string_view what) {
  throw Error(Code::kDenied, std::string("will not ") + std::string(what) + ": " + traits.url +
                                 " is open for reading only");
}

class CountingStaged final : public StagedObject {
 public:
  CountingStaged(std::unique_ptr<StagedObject> inner, StoreCounters& counters)
      : inner_(std::move(inner)), counters_(counters) {}

  void append(ByteView data) override {
    inner_->append(data);
    counters_.bytes_written += data.size();
  }

  bool commit(std::string_view key, std::string_view sha256) override {
    ++counters_.writes;
    return inner_->commit(key, sha256);
  }

 private:
  std::unique_ptr<StagedObject> inner_;
  StoreCounters& counters_;
};

}  // namespace

StoreTraits ReadOnlyStore::traits() const {
  StoreTraits traits = ForwardingStore::traits();
  traits.can_remove = false;
  return traits;
}

void ReadOnlyStore::put(std::string_view key, ByteView) {
  refuse(traits(), "write " + std::string(key));
}

bool ReadOnlyStore::put_new(std::string_view key, ByteView) {
  refuse(traits(), "write " + std::string(key));
}

bool ReadOnlyStore::replace(std::string_view key, ByteView, std::string_view) {
  refuse(traits(), "replace " + std::string(key));
}

Bytes RememberingStore::get(std::string_view key) {
  if (key != key_) return inner().get(key);
  MutexLock lock(mutex_);
  if (!content_) content_ = inner().get(key);
  return *content_;
}

std::unique_ptr<StagedObject> ReadOnlyStore::stage() { refuse(traits(), "write an object"); }

void ReadOnlyStore::remove(std::string_view key) { refuse(traits(), "remove " + std::string(key)); }

void ReadOnlyStore::lock_until(std::string_view key, Timestamp) {
  refuse(traits(), "lock " + std::string(key));
}

// Requests count when they are made, bytes when they have been handed over.

void CountingStore::put(std::string_view key, ByteView data) {
  ++counters_.writes;
  ForwardingStore::put(key, data);
  counters_.bytes_written += data.size();
}

bool CountingStore::put_new(std::string_view key, ByteView data) {
  ++counters_.writes;
  const bool created = ForwardingStore::put_new(key, data);
  counters_.bytes_written += data.size();
  return created;
}

bool CountingStore::replace(std::string_view key, ByteView data, std::string_view etag) {
  ++counters_.writes;
  const bool replaced = ForwardingStore::replace(key, data, etag);
  counters_.bytes_written += data.size();
  return replaced;
}

std::unique_ptr<StagedObject> CountingStore::stage() {
  return std::make_unique<CountingStaged>(ForwardingStore::stage(), counters_);
}

Bytes CountingStore::get(std::string_view key) {
  ++counters_.reads;
  Bytes data = ForwardingStore::get(key);
  counters_.bytes_read += data.size();
  return data;
}

void CountingStore::read(std::string_view key, std::uint64_t offset, MutableBytes out) {
  ++counters_.reads;
  ForwardingStore::read(key, offset, out);
  counters_.bytes_read += out.size();
}

std::optional<ObjectInfo> CountingStore::stat(std::string_view key) {
  ++counters_.reads;
  return ForwardingStore::stat(key);
}

void CountingStore::list(std::string_view prefix,
                         const std::function<void(const ObjectInfo&)>& visit) {
  ++counters_.lists;
  ForwardingStore::list(prefix, visit);
}

void CountingStore::remove(std::string_view key) {
  ++counters_.removes;
  ForwardingStore::remove(key);
}

}  // namespace holdfast
