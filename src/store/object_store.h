// The one thing that must survive: a flat space of immutable objects, in a directory, a bucket or
// memory. Everything the product keeps lives in one of these.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"

namespace holdfast {

struct ObjectInfo {
  std::string key;
  std::uint64_t size = 0;
  Timestamp modified{};  // by the store's clock, never by ours
  // Changes whenever other content is stored; compare only for equality. The same content may get
  // the same etag again.
  std::string etag = {};
};

// What a backend can do; asked for instead of testing types.
struct StoreTraits {
  std::string url;                   // for messages; never holds credentials
  bool conditional_create = false;   // put_new is atomic against other writers
  bool conditional_replace = false;  // replace() honours the etag
  bool can_remove = true;
  unsigned parallelism = 2;  // requests at once that still pay
  bool remote = false;       // a request costs a round trip: better many at once than few
};

enum class Tier {
  kReady,     // can be read now
  kArchived,  // has to be asked for: thaw()
  kThawing,   // was asked for, and will be readable in minutes or hours
};

// An object in the making: bytes are appended, then committed under a key that may only be known
// at the end (a pack is named by its hash). Destroyed without a commit, it leaves nothing behind.
// One thread at a time.
class StagedObject {
 public:
  virtual ~StagedObject() = default;
  virtual void append(ByteView data) = 0;
  // Makes the object durable and visible, whole or not at all. True when it was created, false
  // when an object of that key existed (which stays as it is). To be called once. `sha256`: of the
  // content, in hex, when the caller knows it; spares some stores to compute it once more.
  virtual bool commit(std::string_view key, std::string_view sha256) = 0;
  bool commit(std::string_view key) { return commit(key, {}); }
};

// Keys are '/'-separated names of the characters A-Z a-z 0-9 . _ - + = @ ; no empty, "." or ".."
// part. A key that breaks this is Error(kInvalid).
//
// Every backend owes:
// - atomic visibility: a reader sees a whole object or none;
// - durability: when put, replace or commit returns, the object survives a power cut;
// - read after write, and list after write, for all readers;
// - Errors: kNotFound (no such object), kConflict (condition failed), kDenied, kExhausted (full),
//   kUnavailable (worth trying again), kCorrupt, with the key in the message;
// - thread safety of every method.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  virtual StoreTraits traits() const = 0;

  // Creates or replaces.
  virtual void put(std::string_view key, ByteView data) = 0;
  // Creates; true when it was created, false when the key existed (and nothing changed).
  virtual bool put_new(std::string_view key, ByteView data) = 0;
  // Replaces what still has `etag`, else false. Rivals write unlike bytes (lost acknowledgements).
  virtual bool replace(std::string_view key, ByteView data, std::string_view etag) = 0;
  virtual std::unique_ptr<StagedObject> stage() = 0;

  // The whole object. Objects read in this way are small (index segments at most).
  virtual Bytes get(std::string_view key) = 0;
  // Fills `out` from `offset`; an object that ends before is Error(kCorrupt).
  virtual void read(std::string_view key, std::uint64_t offset, MutableBytes out) = 0;
  // The first `size` bytes of an object, in order and in pieces; for large ones. Throws what read()
  // does, and what `visit` does.
  virtual void read_through(std::string_view key, std::uint64_t size,
                            const std::function<void(ByteView)>& visit);
  virtual std::optional<ObjectInfo> stat(std::string_view key) = 0;
  // Every object whose key starts with `prefix` (any string, not only a whole part), in ascending
  // byte order of the keys.
  virtual void list(std::string_view prefix,
                    const std::function<void(const ObjectInfo&)>& visit) = 0;
  // Absent objects are no error.
  virtual void remove(std::string_view key) = 0;

  // Until when the store refuses to remove or replace the object; nothing when it is free, absent,
  // or the store knows no locks.
  virtual std::optional<Timestamp> locked_until(std::string_view key);
  // Locks the object until then; a date before the present one changes nothing. Throws kNotFound,
  // kUnsupported where there are no locks.
  virtual void lock_until(std::string_view key, Timestamp until);
  // Objects in an archive tier have to be asked for before they can be read.
  virtual Tier tier(std::string_view key);
  // Calls `visit` with every object below `prefix` of which tier() may say something else than
  // kReady; much cheaper than to ask tier() for each.
  virtual void list_archived(std::string_view prefix,
                             const std::function<void(const ObjectInfo&)>& visit);
  // Asks for an archived object to be readable for so many days; returns at once. No error when it
  // was asked for before or is readable.
  virtual void thaw(std::string_view key, unsigned days);
  // Removes what crashed writers left more than a day ago and no reader sees.
  virtual void clean_up() {}
};

// list() into a vector.
std::vector<ObjectInfo> list_objects(ObjectStore& store, std::string_view prefix);

// How many threads are to read from the store at once: `wanted`, or when that is 0, one per
// processor and more where each request costs a round trip.
unsigned reader_threads(const ObjectStore& store, unsigned wanted);

// Throws Error(kInvalid) when `key` breaks the rules above.
void check_key(std::string_view key);

}  // namespace holdfast
