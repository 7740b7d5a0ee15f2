#include "vault/keyring.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "codec/hash.h"
#include "store/expect_error.h"
#include "vault/test_vault.h"

namespace holdfast {
namespace {

const Timestamp kCreated{std::chrono::seconds(1762776000)};

void expect_same(const KeyRing& a, const KeyRing& b) {
  EXPECT_EQ(a.vault, b.vault);
  EXPECT_EQ(a.role, b.role);
  EXPECT_EQ(a.shared, b.shared);
  EXPECT_EQ(a.content_public, b.content_public);
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.cut, b.cut);
  EXPECT_EQ(a.master, b.master);
  EXPECT_EQ(a.content_secret, b.content_secret);
}

// docs/FORMAT.md, "Keys".
TEST(KeyRing, IsDerivedFromTheMasterAsTheFormatSays) {
  const Key master = lcg_array<32>(7);
  const KeyRing ring = KeyRing::from_master(lcg_array<16>(8), master);
  EXPECT_EQ(ring.role, Role::kRestorer);
  EXPECT_EQ(ring.vault, lcg_array<16>(8));
  EXPECT_EQ(ring.master, master);
  EXPECT_EQ(ring.shared, hkdf(master, {}, "holdfast shared 1"));
  EXPECT_EQ(ring.id, hkdf(master, {}, "holdfast chunk-id 1"));
  EXPECT_EQ(ring.cut, hkdf(master, {}, "holdfast chunker 1"));
  EXPECT_EQ(ring.content_secret, hkdf(master, {}, "holdfast content 1"));
  EXPECT_EQ(ring.content_public, public_key_of(*ring.content_secret));
}

TEST(KeyRing, RolesHoldWhatTheyNeedAndNoMore) {
  const KeyRing restorer = test_ring();
  EXPECT_TRUE(restorer.can_write());
  EXPECT_TRUE(restorer.can_read());
  const KeyRing writer = restorer.restricted_to(Role::kWriter);
  EXPECT_TRUE(writer.can_write());
  EXPECT_FALSE(writer.can_read());
  EXPECT_TRUE(writer.id && writer.cut);
  EXPECT_FALSE(writer.master || writer.content_secret);
  const KeyRing op = restorer.restricted_to(Role::kOperator);
  EXPECT_FALSE(op.can_write());
  EXPECT_FALSE(op.can_read());
  EXPECT_FALSE(op.id || op.cut || op.master || op.content_secret);
  EXPECT_EQ(op.shared, restorer.shared);
  EXPECT_EQ(op.content_public, restorer.content_public);
}

TEST(KeyRing, NoRoleGrows) {
  const KeyRing restorer = test_ring();
  for (const Role held : {Role::kWriter, Role::kOperator}) {
    const KeyRing ring = restorer.restricted_to(held);
    for (const Role wanted : {Role::kWriter, Role::kOperator, Role::kRestorer}) {
      if (wanted == held) {
        expect_same(ring.restricted_to(wanted), ring);
      } else {
        const auto error = error_of([&] { ring.restricted_to(wanted); });
        ASSERT_TRUE(error);
        EXPECT_EQ(error->code(), Code::kDenied);
        EXPECT_FALSE(error->hint().empty());
      }
    }
  }
}

TEST(KeyRing, RoleNames) {
  for (const Role role : {Role::kWriter, Role::kOperator, Role::kRestorer}) {
    EXPECT_EQ(parse_role(role_name(role)), role);
  }
  for (const char* name : {"", "Writer", "admin", "writer "}) {
    expect_error(Code::kInvalid, [&] { parse_role(name); });
  }
}

TEST(KeyRing, FreshRingsDiffer) {
  const KeyRing a = new_key_ring();
  const KeyRing b = new_key_ring();
  EXPECT_NE(a.vault, b.vault);
  EXPECT_NE(*a.master, *b.master);
}

TEST(WrappedKey, RoundTripsForEveryRoleAndCredential) {
  const Credential credentials[] = {Passphrase{"correct horse"}, KeyFileSecret{lcg_array<32>(5)}};
  for (const Role role : {Role::kWriter, Role::kOperator, Role::kRestorer}) {
    const KeyRing ring = test_ring().restricted_to(role);
    for (const Credential& credential : credentials) {
      const WrappedKey key = wrap_key_ring(ring, credential, "the label", kCreated);
      EXPECT_EQ(key.role, role);
      EXPECT_EQ(key.label, "the label");
      EXPECT_EQ(key.created, "2025-11-10T12:00:00Z");
      EXPECT_EQ(key.id.size(), 16u);
      const auto opened =
          unwrap_key_ring(parse_wrapped_key(as_bytes(key.json)), ring.vault, credential);
      ASSERT_TRUE(opened);
      expect_same(*opened, ring);
    }
  }
}

TEST(WrappedKey, HoldsNoSecretInTheClear) {
  const KeyRing ring = test_ring();
  const WrappedKey key = wrap_key_ring(ring, KeyFileSecret{lcg_array<32>(5)}, "", kCreated);
  for (const Key& secret : {*ring.master, ring.shared, *ring.id, lcg_array<32>(5)}) {
    EXPECT_EQ(key.json.find(to_base64(secret)), std::string::npos);
    EXPECT_EQ(key.json.find(to_hex(secret)), std::string::npos);
  }
}

TEST(WrappedKey, WrongCredentialsOpenNothing) {
  const KeyRing ring = test_ring();
  const WrappedKey by_text = wrap_key_ring(ring, Passphrase{"correct horse"}, "", kCreated);
  const WrappedKey by_file = wrap_key_ring(ring, KeyFileSecret{lcg_array<32>(5)}, "", kCreated);
  for (const char* wrong : {"", "Correct horse", "correct horse ", "correct hors"}) {
    EXPECT_FALSE(unwrap_key_ring(by_text, ring.vault, Passphrase{wrong})) << wrong;
  }
  EXPECT_FALSE(unwrap_key_ring(by_text, ring.vault, KeyFileSecret{lcg_array<32>(5)}));
  EXPECT_FALSE(unwrap_key_ring(by_file, ring.vault, KeyFileSecret{lcg_array<32>(6)}));
  EXPECT_FALSE(unwrap_key_ring(by_file, ring.vault, Passphrase{"correct horse"}));
  EXPECT_FALSE(unwrap_key_ring(by_file, lcg_array<16>(99), KeyFileSecret{lcg_array<32>(5)}));
  EXPECT_FALSE(unwrap_key_ring(by_file, ring.vault, ring));
}

TEST(WrappedKey, RingsWrapNoRings) {
  expect_error(Code::kInvalid, [] { wrap_key_ring(test_ring(), test_ring(), "", kCreated); });
}

// What opens `json`, parsed from what the store has.
std::optional<KeyRing> open_altered(const std::string& json, const KeyRing& ring,
                                    const Credential& credential) {
  try {
    return unwrap_key_ring(parse_wrapped_key(as_bytes(json)), ring.vault, credential);
  } catch (const Error& error) {
    EXPECT_TRUE(error.code() == Code::kCorrupt || error.code() == Code::kInvalid) << error.what();
    return std::nullopt;
  }
}

// A changed byte yields no ring, or (in the label, say, which nothing depends on) the very same.
TEST(WrappedKey, NoChangedByteYieldsAnotherRing) {
  const Credential credential = KeyFileSecret{lcg_array<32>(5)};
  for (const Role role : {Role::kWriter, Role::kOperator, Role::kRestorer}) {
    const KeyRing ring = test_ring().restricted_to(role);
    const WrappedKey key = wrap_key_ring(ring, credential, "label", kCreated);
    for (std::size_t i = 0; i < key.json.size(); ++i) {
      for (const int change : {0x01, 0x20, 0x80}) {
        std::string altered = key.json;
        altered[i] = static_cast<char>(altered[i] ^ change);
        if (const auto opened = open_altered(altered, ring, credential)) expect_same(*opened, ring);
      }
    }
  }
}

TEST(WrappedKey, EveryProtectedFieldIsProtected) {
  const Credential credential = KeyFileSecret{lcg_array<32>(5)};
  const KeyRing ring = test_ring().restricted_to(Role::kWriter);
  const WrappedKey key = wrap_key_ring(ring, credential, "label", kCreated);
  const auto original = nlohmann::json::parse(key.json);
  const auto refuses = [&](const std::function<void(nlohmann::json&)>& change) {
    nlohmann::json json = original;
    change(json);
    EXPECT_NE(json, original);
    EXPECT_FALSE(open_altered(json.dump(), ring, credential)) << json.dump();
  };
  refuses([](auto& json) { json["role"] = "restorer"; });
  refuses([](auto& json) { json["role"] = "operator"; });
  refuses([](auto& json) { json["id"] = "0000000000000000"; });
  refuses([](auto& json) { json["nonce"] = to_base64(Bytes(12, 0)); });
  refuses([](auto& json) { json["nonce"] = to_base64(Bytes(11, 0)); });
  refuses([](auto& json) { json["kdf"]["salt"] = to_base64(Bytes(16, 0)); });
  refuses([](auto& json) { json["kdf"]["name"] = "argon2id"; });
  refuses([](auto& json) { json["sealed"] = ""; });
  refuses([](auto& json) { json["sealed"] = 5; });
  for (const char* field : {"id", "role", "kdf", "nonce", "sealed", "label", "created"}) {
    refuses([&](auto& json) { json.erase(field); });
  }
  const Bytes sealed = from_base64(original["sealed"].get<std::string>());
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    refuses([&](auto& json) {
      Bytes bad = sealed;
      bad[i] ^= 1;
      json["sealed"] = to_base64(bad);
    });
    refuses([&](auto& json) { json["sealed"] = to_base64(ByteView(sealed).first(i)); });
  }
}

TEST(WrappedKey, TruncatedIsCorrupt) {
  const WrappedKey key =
      wrap_key_ring(test_ring(), KeyFileSecret{lcg_array<32>(5)}, "label", kCreated);
  // The newline at the end may go.
  for (std::size_t size = 0; size + 1 < key.json.size(); ++size) {
    expect_error(Code::kCorrupt,
                 [&] { parse_wrapped_key(as_bytes(std::string_view(key.json).substr(0, size))); });
  }
}

TEST(RecoveryCode, RoundTripsAsPeopleTypeIt) {
  const KeyRing ring = test_ring();
  const std::string code = recovery_code(ring);
  expect_same(parse_recovery_code(code), ring);
  std::string lower, dashed, bare;
  for (const char c : code) {
    lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    dashed += c == ' ' || c == '\n' ? '-' : c;
    if (c != ' ' && c != '\n') bare += c;
  }
  for (const std::string& text : {lower, dashed, bare, "  " + code + "\r\n"}) {
    expect_same(parse_recovery_code(text), ring);
  }
}

TEST(RecoveryCode, OnlyForRestorers) {
  for (const Role role : {Role::kWriter, Role::kOperator}) {
    expect_error(Code::kDenied, [&] { recovery_code(test_ring().restricted_to(role)); });
  }
}

// 53 bytes are 84.8 characters: one bit of the last one means nothing.
TEST(RecoveryCode, EverySingleTypoIsDetectedOrHarmless) {
  const KeyRing ring = test_ring();
  const std::string code = recovery_code(ring);
  std::size_t harmless = 0;
  for (std::size_t i = 0; i < code.size(); ++i) {
    if (std::isspace(static_cast<unsigned char>(code[i])) != 0) continue;
    for (const char c : std::string_view("0123456789ABCDEFGHJKMNPQRSTVWXYZU*")) {
      if (c == code[i]) continue;
      std::string typo = code;
      typo[i] = c;
      try {
        expect_same(parse_recovery_code(typo), ring);
        ++harmless;
        EXPECT_EQ(i + 1, code.size());
      } catch (const Error& error) {
        ASSERT_EQ(error.code(), Code::kInvalid);
      }
    }
  }
  EXPECT_LE(harmless, 1u);
}

TEST(RecoveryCode, MissingDoubledAndSwappedCharactersAreDetected) {
  const std::string code = recovery_code(test_ring());
  for (std::size_t i = 0; i < code.size(); ++i) {
    if (std::isspace(static_cast<unsigned char>(code[i])) != 0) continue;
    std::string missing = code;
    missing.erase(i, 1);
    expect_error(Code::kInvalid, [&] { parse_recovery_code(missing); });
    std::string doubled = code;
    doubled.insert(i, 1, code[i]);
    // One more character than needed is five spare bits: no whole byte, but no part of a code.
    try {
      expect_same(parse_recovery_code(doubled), test_ring());
      EXPECT_EQ(i + 1, code.size()) << "a doubled character passed";
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), Code::kInvalid);
    }
    if (i + 1 < code.size() && code[i + 1] != code[i] && std::isalnum(code[i + 1]) != 0) {
      std::string swapped = code;
      std::swap(swapped[i], swapped[i + 1]);
      expect_error(Code::kInvalid, [&] { parse_recovery_code(swapped); });
    }
  }
  for (const char* text : {"", "hello", "00000", "HOLDFAST-KEY-FILE-1 x"}) {
    expect_error(Code::kInvalid, [&] { parse_recovery_code(text); });
  }
}

TEST(KeyFile, RoundTrips) {
  const KeyFileSecret secret{lcg_array<32>(5)};
  const std::string text = key_file_text(secret);
  EXPECT_TRUE(text.starts_with("HOLDFAST-KEY-FILE-1 "));
  for (const std::string& form : {text, text + "\r\n \n", text.substr(0, text.size() - 1)}) {
    const Credential parsed = parse_key_file(form);
    ASSERT_TRUE(std::holds_alternative<KeyFileSecret>(parsed));
    EXPECT_EQ(std::get<KeyFileSecret>(parsed).secret, secret.secret);
  }
  for (const Role role : {Role::kWriter, Role::kOperator, Role::kRestorer}) {
    const KeyRing ring = test_ring().restricted_to(role);
    const Credential parsed = parse_key_file(key_ring_text(ring));
    ASSERT_TRUE(std::holds_alternative<KeyRing>(parsed));
    expect_same(std::get<KeyRing>(parsed), ring);
  }
}

TEST(KeyFile, TruncatedIsInvalid) {
  for (const std::string& text : {key_file_text({lcg_array<32>(5)}), key_ring_text(test_ring())}) {
    for (std::size_t size = 0; size + 1 < text.size(); ++size) {
      const auto error = error_of([&] { parse_key_file(text.substr(0, size)); });
      ASSERT_TRUE(error) << size;
      EXPECT_EQ(error->code(), Code::kInvalid);
      EXPECT_FALSE(error->hint().empty());
    }
  }
}

TEST(KeyFile, OtherTextIsInvalid) {
  const std::string vault = to_base64(Bytes(16, 1));
  const auto ring_text = [&](std::string_view json) {
    Bytes data(16, 1);
    append(data, as_bytes(json));
    return "HOLDFAST-KEY-RING-1 " + to_base64(data);
  };
  for (const std::string& text :
       {std::string(), std::string("-----BEGIN OPENSSH PRIVATE KEY-----"),
        std::string("HOLDFAST-KEY-FILE-2 ") + to_base64(Bytes(32, 1)),
        std::string("HOLDFAST-KEY-FILE-1 ") + to_base64(Bytes(31, 1)),
        std::string("HOLDFAST-KEY-FILE-1 ") + to_base64(Bytes(33, 1)),
        std::string("HOLDFAST-KEY-FILE-1 not base64!"), "HOLDFAST-KEY-RING-1 " + vault,
        ring_text("{}"), ring_text("[1]"), ring_text("{\"role\":\"restorer\"}"),
        ring_text("{\"role\":\"king\",\"master\":\"\"}"),
        ring_text("{\"role\":\"restorer\",\"master\":\"AAAA\"}"),
        ring_text("{\"role\":\"writer\",\"shared\":1}")}) {
    const auto error = error_of([&] { parse_key_file(text); });
    ASSERT_TRUE(error) << text;
    EXPECT_EQ(error->code(), Code::kInvalid) << text;
    EXPECT_FALSE(error->hint().empty()) << text;
  }
}

}  // namespace
}  // namespace holdfast
