#include "protect/object_transfer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "vault/pack.h"
#include "vault/segment.h"

namespace holdfast {
namespace {

constexpr int kReadings = 3;

}  // namespace

std::optional<Digest> hash_in_name(const std::string& key) {
  if (const auto pack = parse_pack_key(key)) return pack->second;
  return parse_segment_key(key);
}

Digest hash_object(ObjectStore& store, const std::string& key, std::uint64_t size,
                   const std::stop_token& stop, const std::function<void(ByteView)>& visit) {
  Sha256 hash;
  store.read_through(key, size, [&](ByteView part) {
    if (stop.stop_requested()) throw Error(Code::kCancelled, "interrupted");
    hash.update(part);
    if (visit) visit(part);
  });
  return hash.finish();
}

bool ObjectTransfer::has(const std::string& key, std::uint64_t size, const Digest& digest) const {
  const auto info = to_.stat(key);
  return info && info->size == size && hash(to_, key, size) == digest;
}

std::unique_ptr<StagedObject> ObjectTransfer::fetch(const std::string& key, std::uint64_t size,
                                                    Digest& digest) const {
  const auto named = hash_in_name(key);
  Digest wanted = named ? *named : hash(from_, key, size);
  for (int left = kReadings; left > 0; --left) {
    auto object = to_.stage();
    try {
      digest = hash_object(from_, key, size, stop_, [&](ByteView part) {
        object->append(part);
        meter_(static_cast<std::int64_t>(part.size()));
      });
    } catch (const Error& error) {
      if (!named || error.code() != Code::kCorrupt) throw;
      continue;  // shorter than it was listed
    }
    if (digest == wanted) return object;
    meter_(-static_cast<std::int64_t>(size));
    if (!named) wanted = digest;  // which of the two was right, the next one tells
  }
  if (named) return nullptr;
  throw Error(Code::kCorrupt, fmt::format("{} in {} is damaged", key, from_.traits().url),
              "repair the source first: holdfast repair --from URL (of this copy, if it has it)");
}

}  // namespace holdfast
