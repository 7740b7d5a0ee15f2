// The bytes of one object on their way from store to store.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "codec/hash.h"
#include "store/object_store.h"

namespace holdfast {

// Reads an object of so many bytes from one end to the other, in parts that `visit` is given.
// Returns its hash. Throws kCancelled on a stop, and what the store throws.
Digest hash_object(ObjectStore& store, const std::string& key, std::uint64_t size,
                   const std::stop_token& stop, const std::function<void(ByteView)>& visit = {});

// Thread-safe. Throws kCancelled on a stop.
class ObjectTransfer {
 public:
  // `meter` is told of the bytes that were staged, and of those that were so in vain (negative).
  ObjectTransfer(ObjectStore& from, ObjectStore& to, std::function<void(std::int64_t)> meter,
                 std::stop_token stop)
      : from_(from), to_(to), meter_(std::move(meter)), stop_(std::move(stop)) {}

  // Of an object of either store.
  Digest hash(ObjectStore& store, const std::string& key, std::uint64_t size) const {
    return hash_object(store, key, size, stop_);
  }
  // The object at the source, ready to be committed, and its hash in `digest`. Bytes may change on
  // the way: a name that is a hash tells; without one, and without a key, two readings have to
  // agree, else kCorrupt. Nothing when the bytes are not those of the name.
  std::unique_ptr<StagedObject> fetch(const std::string& key, std::uint64_t size,
                                      Digest& digest) const;
  // Whether the destination has these bytes.
  bool has(const std::string& key, std::uint64_t size, const Digest& digest) const;

 private:
  ObjectStore& from_;
  ObjectStore& to_;
  std::function<void(std::int64_t)> meter_;
  std::stop_token stop_;
};

// The hash that the name of a pack or segment stands for; nothing for other objects.
std::optional<Digest> hash_in_name(const std::string& key);

}  // namespace holdfast
