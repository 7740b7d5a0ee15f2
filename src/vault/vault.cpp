#include "vault/vault.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/human.h"
#include "os/file.h"
#include "store/at_once.h"
#include "store/probe_area.h"
#include "store/wrappers.h"
#include "vault/require_vault.h"

namespace holdfast {
namespace {

using Json = nlohmann::json;

constexpr const char* kConfigKey = "holdfast.json";
constexpr const char* kFromAnotherCopy =
    "copy it from another copy of the vault; it is the same in all of them";

ChunkId truncated(const Digest& digest) {
  ChunkId id;
  std::memcpy(id.bytes.data(), digest.data(), id.bytes.size());
  return id;
}

Digest config_mac(const KeyRing& ring, Json json) {
  json.erase("mac");
  return Hmac(hkdf(ring.shared, {}, "holdfast config 1"))(as_bytes(json.dump()));
}

Json parameters_json(const VaultParameters& p) {
  return {{"format", kFormatVersion},
          {"vault", to_hex(p.id)},
          {"created", p.created},
          {"features", {{"read", Json::array()}, {"write", Json::array()}}},
          {"chunker",
           {{"name", "gear-1"},
            {"minimum", p.chunks.minimum},
            {"average", p.chunks.average},
            {"maximum", p.chunks.maximum}}},
          {"frame", p.frame_bytes},
          {"pack", p.pack_bytes}};
}

// A store that is far away may have its reasons.
Error not_a_vault(const ObjectStore& store, const Error& why) {
  const StoreTraits traits = store.traits();
  return {Code::kNotFound,
          "there is no vault in " + traits.url + (traits.remote ? ": " + why.message() : ""),
          "check the address, or make a vault there with: holdfast init --vault " + traits.url};
}

Json read_config(ObjectStore& store) {
  Bytes text;
  try {
    text = store.get(kConfigKey);
  } catch (const Error& error) {
    if (error.code() == Code::kNotFound) throw not_a_vault(store, error);
    if (error.code() != Code::kDenied || store.traits().remote) throw;
    throw Error(
        Code::kDenied, error.message(),
        "run as the user whom the vault belongs to, or give this one access to its directory");
  }
  Json json = Json::parse(as_text(text), nullptr, false);
  if (!json.is_object() || !json.contains("format") || !json["format"].is_number_integer()) {
    throw Error(Code::kCorrupt, "holdfast.json in " + store.traits().url + " is damaged",
                kFromAnotherCopy);
  }
  return json;
}

Error unknown_feature(const std::string& feature) {
  return {
      Code::kUnsupported,
      fmt::format("the vault needs the feature '{}', which this program does not know", feature),
      "use a newer holdfast"};
}

void refuse_newer(const Json& json) {
  const int format = json.at("format").get<int>();
  if (format > kFormatVersion) {
    throw Error(
        Code::kUnsupported,
        fmt::format("the vault has format {}, this program knows up to {}", format, kFormatVersion),
        "use a newer holdfast");
  }
  for (const Json& feature : json.at("features").at("read")) {
    throw unknown_feature(feature.get<std::string>());
  }
}

VaultParameters parse_parameters(const Json& json) {
  try {
    refuse_newer(json);
    VaultParameters p;
    p.id = to_array<16>(from_hex(json.at("vault").get<std::string>()));
    p.created = json.at("created").get<std::string>();
    for (const Json& feature : json.at("features").at("write")) {
      p.unknown_write_feature = feature.get<std::string>();
    }
    const Json& chunker = json.at("chunker");
    if (chunker.at("name") != "gear-1") {
      throw Error(Code::kUnsupported, "the vault uses an unknown chunker", "use a newer holdfast");
    }
    p.chunks = {chunker.at("minimum").get<std::uint32_t>(),
                chunker.at("average").get<std::uint32_t>(),
                chunker.at("maximum").get<std::uint32_t>()};
    p.frame_bytes = json.at("frame").get<std::uint32_t>();
    p.pack_bytes = json.at("pack").get<std::uint64_t>();
    if (p.frame_bytes < 4096 || p.frame_bytes > (4u << 20) || p.pack_bytes < 4096 ||
        p.pack_bytes > (1u << 30)) {
      throw Error(Code::kCorrupt, "holdfast.json has sizes out of bounds");
    }
    return p;
  } catch (const Json::exception& error) {
    throw Error(Code::kCorrupt, std::string("holdfast.json is damaged: ") + error.what(),
                kFromAnotherCopy);
  } catch (const Error& error) {
    if (error.code() == Code::kUnsupported) throw;
    throw Error(Code::kCorrupt, "holdfast.json is damaged: " + error.message(), kFromAnotherCopy);
  }
}

KeyRing unlock(ObjectStore& store, const VaultId& vault, const Credential& credential) {
  if (const auto* ring = std::get_if<KeyRing>(&credential); ring != nullptr) {
    if (ring->vault == vault) return *ring;
    throw Error(
        Code::kDenied, "this key belongs to another vault",
        fmt::format("it opens vault {}, this is vault {}", to_hex(ring->vault), to_hex(vault)));
  }
  std::size_t tried = 0;
  std::optional<KeyRing> best;
  std::optional<Error> damage;  // one damaged key must not lock out the holders of the others
  for (const ObjectInfo& info : list_objects(store, "keys/")) {
    ++tried;
    try {
      auto ring = unwrap_key_ring(parse_wrapped_key(store.get(info.key)), vault, credential);
      if (ring && (!best || static_cast<int>(ring->role) > static_cast<int>(best->role))) {
        best = std::move(ring);
      }
    } catch (Error& error) {
      if (error.code() != Code::kCorrupt && error.code() != Code::kInvalid) throw;
      damage = error.add_context(info.key);
    }
  }
  if (best) return *best;
  if (damage)
    throw Error(Code::kCorrupt, damage->message(), "copy it from another copy of the vault");
  if (tried == 0) {
    throw Error(
        Code::kDenied, "the vault has no keys",
        "its keys/ objects are lost: bring them back from a copy of the vault (holdfast "
        "repair --from URL), or use an exported key ring (--key-file) or the recovery sheet");
  }
  const bool passphrase = std::holds_alternative<Passphrase>(credential);
  throw Error(Code::kDenied,
              passphrase ? "wrong passphrase" : "the key file does not open this vault",
              fmt::format("none of the {} of the vault opens with it", plural(tried, "key")));
}

void refuse_foreign_objects(ObjectStore& store,
                            const std::function<bool(std::string_view)>& may_stay) {
  std::string foreign;
  store.list("", [&](const ObjectInfo& info) {
    // What a `store check` could not remove is no other program's.
    if (info.key.starts_with(kProbeArea)) return;
    if (foreign.empty() && !(may_stay && may_stay(info.key))) foreign = info.key;
  });
  if (!foreign.empty()) {
    throw Error(Code::kConflict,
                fmt::format("{} is not empty (it holds '{}')", store.traits().url, foreign),
                "choose an empty place for the vault");
  }
}

std::string most_similar(const std::vector<BackupName>& backups, std::string_view wanted) {
  std::vector<std::string> ids;
  for (const BackupName& name : backups) ids.push_back(name.id());
  const std::string near = nearest(wanted, ids);
  if (!near.empty()) return "did you mean " + near + "?";
  return "see: holdfast list";
}

Error no_backup(const std::vector<BackupName>& backups, std::string_view wanted) {
  if (backups.empty()) {
    return {Code::kNotFound, "the vault holds no backup",
            "make one with: holdfast backup files PATH"};
  }
  return {Code::kNotFound, fmt::format("no backup '{}'", wanted), most_similar(backups, wanted)};
}

BackupName latest_backup(const std::vector<BackupName>& backups, std::string_view source) {
  for (auto name = backups.rbegin(); name != backups.rend(); ++name) {
    if (source.empty() || name->source == source) return *name;
  }
  if (source.empty()) throw no_backup(backups, "latest");
  std::vector<std::string> sources;
  for (const BackupName& name : backups) sources.push_back(name.source);
  std::sort(sources.begin(), sources.end());
  sources.erase(std::unique(sources.begin(), sources.end()), sources.end());
  throw Error(Code::kNotFound, fmt::format("the vault holds no backup of source '{}'", source),
              fmt::format("it holds backups of: {}", fmt::join(sources, ", ")));
}

}  // namespace

Vault::Vault(ObjectStore& store, Clock& clock, KeyRing ring, VaultParameters parameters,
             std::string cache_directory)
    : store_(store),
      clock_(clock),
      ring_(std::move(ring)),
      parameters_(std::move(parameters)),
      cache_directory_(std::move(cache_directory)) {
  if (!cache_directory_.empty()) cache_directory_ += "/" + to_hex(parameters_.id);
  if (!ring_.can_write()) return;
  id_mac_.emplace(*ring_.id);
  page_mac_.emplace(*ring_.cut);
  chunker_.emplace(*ring_.cut, parameters_.chunks);
}

std::unique_ptr<Vault> Vault::create(ObjectStore& store, Clock& clock, const KeyRing& ring,
                                     const VaultParameters& parameters,
                                     const std::string& cache_directory,
                                     const std::function<bool(std::string_view)>& may_stay) {
  if (vault_id_of(store)) {
    throw Error(Code::kConflict, store.traits().url + " holds a vault already",
                "use it as it is, or choose another place");
  }
  refuse_foreign_objects(store, may_stay);
  VaultParameters filled = parameters;
  filled.id = ring.vault;
  filled.created = format_rfc3339(clock.now());
  Json json = parameters_json(filled);
  json["mac"] = to_base64(config_mac(ring, json));
  if (!store.put_new(kConfigKey, as_bytes(json.dump(2) + "\n"))) {
    throw Error(Code::kConflict, store.traits().url + " holds a vault already",
                "somebody made it at this moment: use it as it is, or choose another place");
  }
  return std::unique_ptr<Vault>(new Vault(store, clock, ring, filled, cache_directory));
}

std::unique_ptr<Vault> Vault::open(ObjectStore& store, Clock& clock, const Credential& credential,
                                   const std::string& cache_directory) {
  const Json json = read_config(store);
  const VaultParameters parameters = parse_parameters(json);
  const KeyRing ring = unlock(store, parameters.id, credential);
  const Json expected = to_base64(config_mac(ring, json));
  if (!json.contains("mac") || json["mac"] != expected) {
    throw Error(Code::kCorrupt, "holdfast.json was altered: it does not authenticate",
                kFromAnotherCopy);
  }
  return std::unique_ptr<Vault>(new Vault(store, clock, ring, parameters, cache_directory));
}

void Vault::require_writable() const {
  if (!parameters_.unknown_write_feature.empty()) {
    throw unknown_feature(parameters_.unknown_write_feature);
  }
}

const Hmac& Vault::id_mac() const {
  if (!id_mac_)
    throw Error(Code::kDenied, "an operator key cannot name chunks",
                "use a writer or restorer key");
  return *id_mac_;
}

ChunkId Vault::id_of(ByteView content) const { return truncated(id_mac()(content)); }

std::vector<ChunkId> Vault::ids_of(std::span<const ByteView> contents) const {
  std::vector<Digest> digests(contents.size());
  id_mac().many(contents, digests);
  std::vector<ChunkId> ids;
  ids.reserve(digests.size());
  for (const Digest& digest : digests) ids.push_back(truncated(digest));
  return ids;
}

std::uint32_t Vault::page_hash(std::string_view path) const {
  const Digest digest = page_mac_.value()(as_bytes("page"), as_bytes(path));
  return static_cast<std::uint32_t>(digest[0]) | static_cast<std::uint32_t>(digest[1]) << 8 |
         static_cast<std::uint32_t>(digest[2]) << 16 | static_cast<std::uint32_t>(digest[3]) << 24;
}

std::shared_ptr<const Index> Vault::load_index() const {
  return Index::load(store_, ring_, cache_directory_);
}

std::vector<BackupName> list_backups(ObjectStore& store) {
  std::array<std::vector<BackupName>, std::size(kBackupClasses)> found;
  const auto list = [&](std::size_t i) {
    store.list(std::string(kBackupClasses[i]) + "/", [&](const ObjectInfo& info) {
      if (auto name = parse_backup_key(info.key)) found[i].push_back(std::move(*name));
    });
  };
  at_once(store, found.size(), list, {});
  std::vector<BackupName> backups;
  for (const auto& some : found) backups.insert(backups.end(), some.begin(), some.end());
  std::stable_sort(backups.begin(), backups.end(),
                   [](const BackupName& a, const BackupName& b) { return a.time < b.time; });
  return backups;
}

StoredBackup read_backup(const Vault& vault, const BackupName& name) {
  return decode_backup(vault.store().get(name.key()), vault.ring(), name);
}

BackupName find_backup(const std::vector<BackupName>& backups, std::string_view wanted) {
  if (wanted == "latest") return latest_backup(backups, {});
  if (wanted.starts_with("latest:")) return latest_backup(backups, wanted.substr(7));
  std::vector<const BackupName*> fits;
  for (const BackupName& name : backups) {
    const std::string id = name.id();
    if (id == wanted || name.key() == wanted) return name;
    if (!wanted.empty() && id.starts_with(wanted)) fits.push_back(&name);
  }
  if (fits.size() == 1) return *fits[0];
  if (fits.empty()) throw no_backup(backups, wanted);
  std::string all;
  for (std::size_t i = 0; i < fits.size() && i < 5; ++i) all += "\n  " + fits[i]->id();
  throw Error(Code::kInvalid,
              fmt::format("'{}' fits {} backups:{}{}", wanted, fits.size(), all,
                          fits.size() > 5 ? "\n  ..." : ""),
              "give more of the id");
}

std::optional<VaultId> vault_id_of(ObjectStore& store) {
  try {
    return parse_parameters(read_config(store)).id;
  } catch (const Error& error) {
    if (error.code() == Code::kNotFound) return std::nullopt;
    throw;
  }
}

VaultId require_vault(ObjectStore& store, const std::string& hint) {
  try {
    return parse_parameters(read_config(store)).id;
  } catch (const Error& error) {
    if (error.code() != Code::kNotFound) throw;
    throw Error(error.code(), error.message(), hint);
  }
}

std::unique_ptr<ObjectStore> with_known_config(std::unique_ptr<ObjectStore> store) {
  return std::make_unique<RememberingStore>(std::move(store), kConfigKey);
}

std::vector<WrappedKey> list_keys(ObjectStore& store) {
  std::vector<WrappedKey> keys;
  for (const ObjectInfo& info : list_objects(store, "keys/")) {
    keys.push_back(parse_wrapped_key(store.get(info.key)));
  }
  return keys;
}

std::string key_object(std::string_view id) { return "keys/" + std::string(id) + ".json"; }

void store_key(ObjectStore& store, const WrappedKey& key) {
  store.put_new(key_object(key.id), as_bytes(key.json));
}

}  // namespace holdfast
