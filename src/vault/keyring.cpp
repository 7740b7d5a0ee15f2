#include "vault/keyring.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "codec/hash.h"

namespace holdfast {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kKeyFileTag = "HOLDFAST-KEY-FILE-1 ";
constexpr std::string_view kKeyRingTag = "HOLDFAST-KEY-RING-1 ";
constexpr std::uint8_t kRecoveryVersion = 1;

Key derive(const Key& master, std::string_view label) { return hkdf(master, {}, label); }

std::string text_of(const Key& key) { return to_base64(key); }

Key key_in(const Json& json, const char* name) {
  return to_array<32>(from_base64(json.at(name).get<std::string>()));
}

Json ring_to_json(const KeyRing& ring) {
  Json json{{"role", role_name(ring.role)}};
  if (ring.role == Role::kRestorer) {
    json["master"] = text_of(*ring.master);
    return json;
  }
  json["shared"] = text_of(ring.shared);
  json["content_public"] = text_of(ring.content_public);
  if (ring.role == Role::kWriter) {
    json["id"] = text_of(*ring.id);
    json["cut"] = text_of(*ring.cut);
  }
  return json;
}

KeyRing ring_from_json(const VaultId& vault, const Json& json) {
  const Role role = parse_role(json.at("role").get<std::string>());
  if (role == Role::kRestorer) return KeyRing::from_master(vault, key_in(json, "master"));
  KeyRing ring;
  ring.vault = vault;
  ring.role = role;
  ring.shared = key_in(json, "shared");
  ring.content_public = key_in(json, "content_public");
  if (role == Role::kWriter) {
    ring.id = key_in(json, "id");
    ring.cut = key_in(json, "cut");
  }
  return ring;
}

// The KEK for a wrapped key's parameters; nothing when the credential is of another kind.
std::optional<Key> wrapping_key(const Json& kdf, const Credential& credential) {
  const auto name = kdf.at("name").get<std::string>();
  const Bytes salt = from_base64(kdf.at("salt").get<std::string>());
  if (const auto* passphrase = std::get_if<Passphrase>(&credential); passphrase != nullptr) {
    if (name != "argon2id") return std::nullopt;
    const Argon2Cost cost{kdf.at("operations").get<std::uint64_t>(),
                          kdf.at("memory").get<std::uint64_t>()};
    return argon2id(passphrase->text, salt, cost);
  }
  if (const auto* file = std::get_if<KeyFileSecret>(&credential); file != nullptr) {
    if (name != "hkdf-sha256") return std::nullopt;
    return hkdf(file->secret, salt, "holdfast key-file 1");
  }
  return std::nullopt;
}

Bytes associated_data(const VaultId& vault, std::string_view id, std::string_view role) {
  Bytes data = to_bytes(as_bytes("holdfast key 1"));
  append(data, vault);
  append(data, from_hex(id));
  append(data, as_bytes(role));
  return data;
}

Json new_kdf(const Credential& credential) {
  const auto salt = random_array<16>();
  if (std::holds_alternative<Passphrase>(credential)) {
    const Argon2Cost cost;
    return {{"name", "argon2id"},
            {"salt", to_base64(salt)},
            {"operations", cost.operations},
            {"memory", cost.memory}};
  }
  return {{"name", "hkdf-sha256"}, {"salt", to_base64(salt)}};
}

Error not_a_key_file() {
  return {Code::kInvalid, "this is not a Holdfast key file",
          "a key file starts with HOLDFAST-KEY-FILE-1 or HOLDFAST-KEY-RING-1"};
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
    text.remove_suffix(1);
  }
  return text;
}

KeyRing parse_key_ring_text(std::string_view base64) {
  const Bytes data = from_base64(base64);
  if (data.size() < 16) throw not_a_key_file();
  const ByteView view(data);
  const Json json = Json::parse(as_text(view.subspan(16)));
  return ring_from_json(to_array<16>(view.first(16)), json);
}

}  // namespace

std::string_view role_name(Role role) {
  switch (role) {
    case Role::kWriter:
      return "writer";
    case Role::kOperator:
      return "operator";
    case Role::kRestorer:
      return "restorer";
  }
  return "restorer";
}

Role parse_role(std::string_view name) {
  for (const Role role : {Role::kWriter, Role::kOperator, Role::kRestorer}) {
    if (role_name(role) == name) return role;
  }
  throw Error(Code::kInvalid, "'" + std::string(name) + "' is not a key role",
              "the roles are writer, operator and restorer");
}

KeyRing KeyRing::from_master(const VaultId& vault, const Key& master) {
  KeyRing ring;
  ring.vault = vault;
  ring.role = Role::kRestorer;
  ring.master = master;
  ring.shared = derive(master, "holdfast shared 1");
  ring.id = derive(master, "holdfast chunk-id 1");
  ring.cut = derive(master, "holdfast chunker 1");
  ring.content_secret = derive(master, "holdfast content 1");
  ring.content_public = public_key_of(*ring.content_secret);
  return ring;
}

KeyRing KeyRing::restricted_to(Role wanted) const {
  if (wanted == role) return *this;
  if (role != Role::kRestorer) {
    throw Error(Code::kDenied,
                "a " + std::string(role_name(role)) + " key cannot make a " +
                    std::string(role_name(wanted)) + " key",
                "use a restorer key (the one that 'holdfast init' made)");
  }
  KeyRing ring = *this;
  ring.role = wanted;
  ring.master.reset();
  ring.content_secret.reset();
  if (wanted == Role::kOperator) {
    ring.id.reset();
    ring.cut.reset();
  }
  return ring;
}

KeyRing new_key_ring() { return KeyRing::from_master(random_array<16>(), random_array<32>()); }

WrappedKey wrap_key_ring(const KeyRing& ring, const Credential& credential, std::string_view label,
                         Timestamp created) {
  const std::string id = to_hex(random_array<8>());
  const std::string role(role_name(ring.role));
  const Json kdf = new_kdf(credential);
  const auto key = wrapping_key(kdf, credential);
  if (!key) throw Error(Code::kInvalid, "a key ring cannot be wrapped by another key ring");
  const auto nonce = random_array<12>();
  const std::string plain = ring_to_json(ring).dump();
  const Bytes sealed = seal(*key, nonce, associated_data(ring.vault, id, role), as_bytes(plain));
  const Json json{{"format", 1},
                  {"id", id},
                  {"role", role},
                  {"label", label},
                  {"created", format_rfc3339(created)},
                  {"kdf", kdf},
                  {"nonce", to_base64(nonce)},
                  {"sealed", to_base64(sealed)}};
  const std::string text = json.dump(2) + "\n";
  return parse_wrapped_key(as_bytes(text));
}

WrappedKey parse_wrapped_key(ByteView json) {
  try {
    const Json parsed = Json::parse(as_text(json));
    WrappedKey key;
    key.id = parsed.at("id").get<std::string>();
    key.role = parse_role(parsed.at("role").get<std::string>());
    key.label = parsed.at("label").get<std::string>();
    key.created = parsed.at("created").get<std::string>();
    key.kdf = parsed.at("kdf").at("name").get<std::string>();
    key.json = as_text(json);
    if (from_hex(key.id).size() != 8) throw Error(Code::kCorrupt, "bad key id");
    return key;
  } catch (const std::exception& error) {
    throw Error(Code::kCorrupt, std::string("a key object is damaged: ") + error.what(),
                "restore it from a copy of the vault, or use an exported key ring");
  }
}

std::optional<KeyRing> unwrap_key_ring(const WrappedKey& key, const VaultId& vault,
                                       const Credential& credential) {
  try {
    const Json json = Json::parse(key.json);
    const auto wrapping = wrapping_key(json.at("kdf"), credential);
    if (!wrapping) return std::nullopt;
    const Bytes sealed = from_base64(json.at("sealed").get<std::string>());
    const Nonce nonce = to_array<12>(from_base64(json.at("nonce").get<std::string>()));
    if (sealed.size() < kTagSize) return std::nullopt;
    Bytes plain(sealed.size() - kTagSize);
    if (!open_into(*wrapping, nonce, associated_data(vault, key.id, role_name(key.role)), sealed,
                   plain)) {
      return std::nullopt;
    }
    return ring_from_json(vault, Json::parse(as_text(plain)));
  } catch (const Json::exception& error) {
    throw Error(Code::kCorrupt, "key " + key.id + " is damaged: " + error.what());
  }
}

std::string key_file_text(const KeyFileSecret& secret) {
  return std::string(kKeyFileTag) + to_base64(secret.secret) + "\n";
}

std::string key_ring_text(const KeyRing& ring) {
  Bytes data = to_bytes(ring.vault);
  append(data, as_bytes(ring_to_json(ring).dump()));
  return std::string(kKeyRingTag) + to_base64(data) + "\n";
}

Credential parse_key_file(std::string_view text) {
  text = trimmed(text);
  try {
    if (text.starts_with(kKeyFileTag)) {
      return KeyFileSecret{to_array<32>(from_base64(text.substr(kKeyFileTag.size())))};
    }
    if (text.starts_with(kKeyRingTag)) return parse_key_ring_text(text.substr(kKeyRingTag.size()));
  } catch (const std::exception&) {
    throw Error(Code::kInvalid, "the key file is damaged",
                "copy it again from where you keep it, or use the recovery sheet");
  }
  throw not_a_key_file();
}

std::string recovery_code(const KeyRing& ring) {
  if (!ring.master) {
    throw Error(Code::kDenied, "only a restorer key can print a recovery sheet",
                "use the key that 'holdfast init' made");
  }
  Bytes data{kRecoveryVersion};
  append(data, ring.vault);
  append(data, *ring.master);
  const Digest check = sha256(data);
  append(data, ByteView(check).first(4));
  const std::string code = to_base32(data);
  std::string grouped;
  for (std::size_t i = 0; i < code.size(); i += 5) {
    if (i > 0) grouped += i % 30 == 0 ? '\n' : ' ';
    grouped += code.substr(i, 5);
  }
  return grouped;
}

KeyRing parse_recovery_code(std::string_view text) {
  constexpr std::size_t kSize = 1 + 16 + 32 + 4;
  const Bytes data = from_base32(text);
  const ByteView view(data);
  if (data.size() != kSize || data[0] != kRecoveryVersion) {
    throw Error(Code::kInvalid, "this is not a whole recovery code",
                "type all groups of five characters of the sheet");
  }
  const Digest check = sha256(view.first(kSize - 4));
  if (!equal_constant_time(ByteView(check).first(4), view.last(4))) {
    throw Error(Code::kInvalid, "the recovery code has a typing error",
                "compare every group with the sheet");
  }
  return KeyRing::from_master(to_array<16>(view.subspan(1, 16)),
                              to_array<32>(view.subspan(17, 32)));
}

}  // namespace holdfast
