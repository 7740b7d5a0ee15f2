#include "vault/doom.h"

#include "base/error.h"
#include "codec/compress.h"

namespace holdfast {
namespace {

constexpr std::string_view kDoomMagic = "HFDOOM1\n";
constexpr std::size_t kMaxBody = 1u << 30;

Bytes associated(const KeyRing& ring, std::string_view name) {
  Bytes data = to_bytes(as_bytes("HFD1"));
  append(data, ring.vault);
  append(data, as_bytes(name));
  return data;
}

Bytes encode(const Doom& doom) {
  Bytes body;
  WireWriter out(body);
  out.fixed(static_cast<std::uint8_t>(doom.reason));
  out.varint(doom.packs.size());
  for (const PackName& name : doom.packs) out.raw(name);
  out.varint(doom.chunks.size());
  for (const ChunkId& id : doom.chunks) out.raw(id.bytes);
  return body;
}

}  // namespace

std::string write_doom(ObjectStore& store, const KeyRing& ring, const Doom& doom) {
  const std::string name = to_hex(random_array<16>());
  write_doom_as(store, ring, name, doom);
  return "doom/" + name;
}

void write_doom_as(ObjectStore& store, const KeyRing& ring, std::string_view name,
                   const Doom& doom) {
  const ByteView packed = compress(encode(doom), 1);
  const auto salt = random_array<32>();
  Bytes object = to_bytes(as_bytes(kDoomMagic));
  append(object, salt);
  seal(hkdf(ring.shared, salt, "holdfast doom 1"), counter_nonce(0), associated(ring, name), packed,
       object);
  store.put_new("doom/" + std::string(name), object);
}

Doom parse_doom(ByteView object, const KeyRing& ring, std::string_view name) {
  if (object.size() < kDoomMagic.size() + 32 + kTagSize || as_text(object.first(8)) != kDoomMagic) {
    throw Error(Code::kCorrupt, "a doom object is damaged");
  }
  const Bytes packed =
      open(hkdf(ring.shared, object.subspan(8, 32), "holdfast doom 1"), counter_nonce(0),
           associated(ring, name), object.subspan(40), "a doom object");
  const Bytes body = decompress(packed, kMaxBody);
  WireReader in(body);
  Doom doom;
  const auto reason = in.fixed<std::uint8_t>();
  if (reason > 1) throw Error(Code::kCorrupt, "a doom object has an unknown reason");
  doom.reason = static_cast<DoomReason>(reason);
  for (std::uint64_t left = in.varint(); left > 0; --left) {
    doom.packs.push_back(to_array<32>(in.raw(32)));
  }
  for (std::uint64_t left = in.varint(); left > 0; --left) {
    doom.chunks.push_back({to_array<24>(in.raw(24))});
  }
  return doom;
}

std::vector<StoredDoom> read_dooms(ObjectStore& store, const KeyRing& ring) {
  std::vector<StoredDoom> dooms;
  for (const ObjectInfo& info : list_objects(store, "doom/")) {
    try {
      const std::string_view name = std::string_view(info.key).substr(5);
      dooms.push_back({info.key, info.modified, parse_doom(store.get(info.key), ring, name)});
    } catch (Error& error) {
      if (error.code() == Code::kNotFound) continue;
      throw error.add_context(info.key).suggest(
          "run 'holdfast repair': it removes what is damaged");
    }
  }
  return dooms;
}

namespace {

std::string damaged_key(const PackName& pack, const ChunkId& chunk) {
  std::string key(as_text(pack));
  key += as_text(chunk.bytes);
  return key;
}

}  // namespace

DoomSet::DoomSet(const std::vector<StoredDoom>& dooms) {
  for (const StoredDoom& stored : dooms) {
    const Doom& doom = stored.doom;
    if (doom.reason == DoomReason::kPrune) {
      packs_.insert(doom.packs.begin(), doom.packs.end());
      chunks_.insert(doom.chunks.begin(), doom.chunks.end());
      continue;
    }
    for (const PackName& pack : doom.packs) {
      if (doom.chunks.empty()) packs_.insert(pack);
      for (const ChunkId& chunk : doom.chunks) damaged_.insert(damaged_key(pack, chunk));
    }
  }
}

bool DoomSet::has(const PackName& pack, const ChunkId& chunk) const {
  return packs_.contains(pack) || is_damaged(pack, chunk);
}

bool DoomSet::is_damaged(const PackName& pack, const ChunkId& chunk) const {
  return !damaged_.empty() && damaged_.contains(damaged_key(pack, chunk));
}

}  // namespace holdfast
