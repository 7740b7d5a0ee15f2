// Who may do what: the three roles of key, and the ways to keep a key.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "base/time.h"
#include "codec/kdf.h"
#include "vault/ids.h"

namespace holdfast {

enum class Role { kWriter, kOperator, kRestorer };

std::string_view role_name(Role role);
Role parse_role(std::string_view name);  // throws Error(kInvalid)

// The keys that a role holds; docs/FORMAT.md, "Keys". Copyable value.
struct KeyRing {
  VaultId vault{};
  Role role = Role::kRestorer;
  Key shared{};
  Key content_public{};
  std::optional<Key> id;              // writer, restorer
  std::optional<Key> cut;             // writer, restorer
  std::optional<Key> master;          // restorer
  std::optional<Key> content_secret;  // restorer

  bool can_write() const { return id.has_value(); }
  bool can_read() const { return content_secret.has_value(); }

  static KeyRing from_master(const VaultId& vault, const Key& master);
  // A ring of less power. Throws Error(kDenied) when this ring does not hold what `role` needs.
  KeyRing restricted_to(Role role) const;
};

// A fresh master for a fresh vault.
KeyRing new_key_ring();

// What a person has in hand: a passphrase, the secret of a key file, or a whole exported ring.
struct Passphrase {
  std::string text;
};
struct KeyFileSecret {
  Key secret;
};
using Credential = std::variant<Passphrase, KeyFileSecret, KeyRing>;

// A stored, wrapped key ring: the content of keys/ID.json.
struct WrappedKey {
  std::string id;  // 16 hex digits
  Role role = Role::kRestorer;
  std::string label;
  std::string created;  // RFC 3339
  std::string kdf;      // "argon2id", "hkdf-sha256"
  std::string json;     // the whole object
};

WrappedKey wrap_key_ring(const KeyRing& ring, const Credential& credential, std::string_view label,
                         Timestamp created);
// Throws Error(kCorrupt) when `json` is not a wrapped key.
WrappedKey parse_wrapped_key(ByteView json);
// Nothing when the credential is of another kind or wrong.
std::optional<KeyRing> unwrap_key_ring(const WrappedKey& key, const VaultId& vault,
                                       const Credential& credential);

// Texts that people keep. All throw Error(kInvalid) on text that is not theirs.
std::string key_file_text(const KeyFileSecret& secret);
std::string key_ring_text(const KeyRing& ring);    // "HOLDFAST-KEY-RING-1 ..."
Credential parse_key_file(std::string_view text);  // a key file or an exported ring
std::string recovery_code(const KeyRing& ring);    // groups of five characters
KeyRing parse_recovery_code(std::string_view text);

}  // namespace holdfast
