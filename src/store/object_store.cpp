#include "store/object_store.h"

#include <algorithm>

#include "base/error.h"
#include "base/human.h"
#include "os/processors.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kPart = 4u << 20;

bool is_key_character(char c) {
  constexpr std::string_view kOther = "._-+=@";
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         kOther.find(c) != std::string_view::npos;
}

bool is_key_part(std::string_view part) {
  if (part.empty() || part == "." || part == "..") return false;
  for (const char c : part) {
    if (!is_key_character(c)) return false;
  }
  return true;
}

}  // namespace

void ObjectStore::read_through(std::string_view key, std::uint64_t size,
                               const std::function<void(ByteView)>& visit) {
  thread_local Bytes part;
  for (std::uint64_t at = 0; at < size; at += part.size()) {
    part.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kPart, size - at)));
    read(key, at, part);
    visit(part);
  }
}

std::optional<Timestamp> ObjectStore::locked_until(std::string_view) { return std::nullopt; }

void ObjectStore::lock_until(std::string_view, Timestamp) {
  throw Error(Code::kUnsupported, traits().url + " has no locks",
              "a bucket with Object Lock has them: see object_lock in holdfast.yaml(5)");
}

Tier ObjectStore::tier(std::string_view) { return Tier::kReady; }

void ObjectStore::list_archived(std::string_view, const std::function<void(const ObjectInfo&)>&) {}

void ObjectStore::thaw(std::string_view, unsigned) {}

void check_key(std::string_view key) {
  for (std::size_t at = 0;;) {
    const std::size_t slash = key.find('/', at);
    if (!is_key_part(key.substr(at, slash - at))) {
      throw Error(Code::kInvalid, "'" + printable(key) + "' is not an object key");
    }
    if (slash == std::string_view::npos) return;
    at = slash + 1;
  }
}

unsigned reader_threads(const ObjectStore& store, unsigned wanted) {
  if (wanted > 0) return wanted;
  const StoreTraits traits = store.traits();
  // Each holds a frame in memory.
  return traits.remote ? std::max(processors(), std::min(traits.parallelism, 12u)) : processors();
}

std::vector<ObjectInfo> list_objects(ObjectStore& store, std::string_view prefix) {
  std::vector<ObjectInfo> objects;
  store.list(prefix, [&](const ObjectInfo& info) { objects.push_back(info); });
  return objects;
}

}  // namespace holdfast
