#include "vault/vault.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "codec/hash.h"
#include "store/expect_error.h"
#include "store/file_store.h"
#include "support/ordinary_user.h"
#include "support/temp_dir.h"
#include "vault/test_vault.h"

namespace holdfast {
namespace {

using Json = nlohmann::json;

struct VaultTest : testing::Test {
  std::unique_ptr<Vault> open(const Credential& credential) {
    return Vault::open(made.store, made.clock, credential, {});
  }
  Json config() { return Json::parse(as_text(made.store.get("holdfast.json"))); }
  void put_config(const std::string& text) {
    overwrite(made.store, "holdfast.json", as_bytes(text));
  }
  // With the right MAC: what a newer program would have written.
  void put_signed(Json json) {
    json.erase("mac");
    const Digest mac = Hmac(hkdf(made.ring.shared, {}, "holdfast config 1"))(as_bytes(json.dump()));
    json["mac"] = to_base64(mac);
    put_config(json.dump());
  }
  void expect_refused(Code code, const Credential& credential) {
    const auto error = error_of([&] { open(credential); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), code) << error->what();
    EXPECT_FALSE(error->hint().empty()) << error->what();
  }
  TestVault made;
};

TEST_F(VaultTest, OpensWithEveryCredential) {
  const Passphrase passphrase{"correct horse"};
  const KeyFileSecret file{lcg_array<32>(5)};
  store_key(made.store, wrap_key_ring(made.ring, passphrase, "", made.clock.now()));
  store_key(made.store,
            wrap_key_ring(made.ring.restricted_to(Role::kWriter), file, "", made.clock.now()));
  EXPECT_EQ(open(passphrase)->ring().role, Role::kRestorer);
  EXPECT_EQ(open(file)->ring().role, Role::kWriter);
  for (const Role role : {Role::kWriter, Role::kOperator, Role::kRestorer}) {
    EXPECT_EQ(open(parse_key_file(key_ring_text(made.ring.restricted_to(role))))->ring().role,
              role);
  }
  EXPECT_EQ(open(parse_recovery_code(recovery_code(made.ring)))->ring().role, Role::kRestorer);
}

TEST_F(VaultTest, AStrongerKeyWinsOverAWeakerOne) {
  const KeyFileSecret file{lcg_array<32>(5)};
  for (const Role role : {Role::kRestorer, Role::kWriter, Role::kOperator}) {
    store_key(made.store, wrap_key_ring(made.ring.restricted_to(role), file, "", made.clock.now()));
  }
  EXPECT_EQ(open(file)->ring().role, Role::kRestorer);
}

TEST_F(VaultTest, KeepsItsParameters) {
  const auto vault = open(made.ring);
  EXPECT_EQ(vault->parameters().id, made.ring.vault);
  EXPECT_EQ(vault->parameters().chunks, small_parameters().chunks);
  EXPECT_EQ(vault->parameters().frame_bytes, 4096u);
  EXPECT_EQ(vault->parameters().pack_bytes, 16384u);
  EXPECT_EQ(vault_id_of(made.store), made.ring.vault);
}

TEST_F(VaultTest, OperatorsCannotNameChunks) {
  const auto vault = made.as(Role::kOperator);
  expect_error(Code::kDenied, [&] { vault->id_of(as_bytes("x")); });
  const auto writer = made.as(Role::kWriter);
  EXPECT_EQ(writer->id_of(as_bytes("x")), made.vault->id_of(as_bytes("x")));
  EXPECT_EQ(writer->page_hash("a"), made.vault->page_hash("a"));
}

TEST_F(VaultTest, ChunksHaveOtherNamesInOtherVaults) {
  HeldClock clock;
  MemoryStore store(clock);
  const auto other = Vault::create(store, clock, test_ring(2), small_parameters(), {});
  EXPECT_NE(made.vault->id_of(as_bytes("x")), other->id_of(as_bytes("x")));
  const Digest mac = Hmac(*made.ring.id)(as_bytes("x"));
  EXPECT_TRUE(
      std::equal(mac.begin(), mac.begin() + 24, made.vault->id_of(as_bytes("x")).bytes.begin()));
}

TEST_F(VaultTest, NoVaultIsNotFound) {
  made.store.remove("holdfast.json");
  expect_refused(Code::kNotFound, made.ring);
  EXPECT_FALSE(vault_id_of(made.store));
}

// Whose vault is another user's, and as private as it was made.
TEST_F(VaultTest, WhoMayNotReadItsDirectoryIsToldWhatToDo) {
  const TempDir directory;
  {
    FileStore store(directory.path());
    Vault::create(store, made.clock, made.ring, small_parameters(), {});
  }
  ASSERT_EQ(::chmod(directory.path().c_str(), 0), 0);
  as_ordinary_user([&] {
    FileStore store(directory.path(), FileStore::Access::kRead);
    const auto error = error_of([&] { Vault::open(store, made.clock, made.ring, {}); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), Code::kDenied) << error->what();
    EXPECT_NE(error->hint().find("run as the user whom the vault belongs to"), std::string::npos)
        << error->hint();
  });
}

TEST_F(VaultTest, WrongKeysAreDenied) {
  expect_refused(Code::kDenied, test_ring(2));
  expect_refused(Code::kDenied, Passphrase{"x"});  // there are no keys at all
  store_key(made.store,
            wrap_key_ring(made.ring, KeyFileSecret{lcg_array<32>(5)}, "", made.clock.now()));
  expect_refused(Code::kDenied, Passphrase{"x"});
  expect_refused(Code::kDenied, KeyFileSecret{lcg_array<32>(6)});
}

// An exported ring that names this vault, with the keys of another.
TEST_F(VaultTest, ARingThatOnlyNamesTheVaultIsRefused) {
  KeyRing forged = test_ring(2);
  forged.vault = made.ring.vault;
  expect_refused(Code::kCorrupt, forged);
}

// A key moved here from another vault opens nothing.
TEST_F(VaultTest, KeysOfAnotherVaultAreDenied) {
  const KeyFileSecret file{lcg_array<32>(5)};
  store_key(made.store, wrap_key_ring(test_ring(2), file, "", made.clock.now()));
  expect_refused(Code::kDenied, file);
}

TEST_F(VaultTest, ADamagedKeyDoesNotLockTheOthersOut) {
  const KeyFileSecret file{lcg_array<32>(5)};
  const WrappedKey good = wrap_key_ring(made.ring, file, "", made.clock.now());
  store_key(made.store, good);
  made.store.put("keys/0000000000000000.json", as_bytes("{\"broken\":"));
  Json altered = Json::parse(good.json);
  altered["nonce"] = "not base64";
  made.store.put("keys/0000000000000001.json", as_bytes(altered.dump()));
  altered = Json::parse(good.json);
  altered["sealed"] = 7;
  made.store.put("keys/0000000000000002.json", as_bytes(altered.dump()));
  EXPECT_EQ(open(file)->ring().role, Role::kRestorer);
  // Perhaps it was for one of the damaged ones: damage is what to look into first.
  expect_refused(Code::kCorrupt, KeyFileSecret{lcg_array<32>(6)});
}

TEST_F(VaultTest, OnlyDamagedKeysIsCorrupt) {
  made.store.put("keys/0000000000000000.json", as_bytes("{\"broken\":"));
  expect_refused(Code::kCorrupt, Passphrase{"x"});
}

TEST_F(VaultTest, NewerFormatsAndFeaturesAreUnsupported) {
  const Json original = config();
  const auto unsupported = [&](const std::function<void(Json&)>& change) {
    Json json = original;
    change(json);
    put_signed(json);
    expect_refused(Code::kUnsupported, made.ring);
  };
  unsupported([](Json& json) { json["format"] = 2; });
  unsupported([](Json& json) { json["format"] = 1'000'000; });
  unsupported([](Json& json) { json["features"]["read"] = {"quantum-1"}; });
  unsupported([](Json& json) { json["chunker"]["name"] = "gear-2"; });
  put_signed(original);
  EXPECT_NO_THROW(open(made.ring));
}

TEST_F(VaultTest, AnUnknownWriteFeatureLeavesReadingAlone) {
  Json json = config();
  EXPECT_NO_THROW(open(made.ring)->require_writable());
  json["features"]["write"] = {"quantum-1"};
  put_signed(json);
  const auto vault = open(made.ring);
  expect_error(Code::kUnsupported, [&] { vault->require_writable(); });
  const std::size_t before = list_objects(vault->store(), "").size();
  expect_error(Code::kUnsupported, [&] { WriteSession(*vault, {}); });
  EXPECT_EQ(list_objects(vault->store(), "").size(), before) << "not even a lease";
  EXPECT_NO_THROW(vault->load_index());
}

// Fields that a later program of the same format may add are covered by the MAC and ignored.
TEST_F(VaultTest, UnknownFieldsAreIgnored) {
  Json json = config();
  json["comment"] = "hello";
  put_signed(json);
  EXPECT_NO_THROW(open(made.ring));
  put_config(json.dump());
  json["comment"] = "unsigned";
  json["mac"] = config()["mac"];
  put_config(json.dump());
  expect_refused(Code::kCorrupt, made.ring);
}

TEST_F(VaultTest, EveryTamperedParameterIsCorrupt) {
  const Json original = config();
  const auto corrupt = [&](const char* what, const std::function<void(Json&)>& change) {
    SCOPED_TRACE(what);
    Json json = original;
    change(json);
    put_config(json.dump());
    expect_refused(Code::kCorrupt, made.ring);
  };
  corrupt("minimum", [](Json& json) { json["chunker"]["minimum"] = 65; });
  corrupt("average", [](Json& json) { json["chunker"]["average"] = 512; });
  corrupt("maximum", [](Json& json) { json["chunker"]["maximum"] = 1025; });
  corrupt("frame", [](Json& json) { json["frame"] = 4097; });
  corrupt("frame, huge", [](Json& json) { json["frame"] = 1u << 30; });
  corrupt("pack", [](Json& json) { json["pack"] = 16385; });
  corrupt("pack, zero", [](Json& json) { json["pack"] = 0; });
  corrupt("created", [](Json& json) { json["created"] = "2000-01-01T00:00:00Z"; });
  corrupt("format 0", [](Json& json) { json["format"] = 0; });
  corrupt("format, a text", [](Json& json) { json["format"] = "1"; });
  corrupt("vault, no hex", [](Json& json) { json["vault"] = "xyz"; });
  corrupt("vault, short", [](Json& json) { json["vault"] = "abcd"; });
  corrupt("mac, another", [](Json& json) { json["mac"] = to_base64(Bytes(32, 0)); });
  corrupt("mac, a number", [](Json& json) { json["mac"] = 5; });
  corrupt("mac, null", [](Json& json) { json["mac"] = nullptr; });
  for (const char* field :
       {"format", "vault", "created", "features", "chunker", "frame", "pack", "mac"}) {
    corrupt(field, [&](Json& json) { json.erase(field); });
    if (std::string_view(field) != "features") {
      corrupt(field, [&](Json& json) { json[field] = Json::array({1}); });
    }
  }
}

TEST_F(VaultTest, EveryChangedByteOfTheConfigIsRefused) {
  const std::string text(as_text(made.store.get("holdfast.json")));
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (const int change : {0x01, 0x04, 0x20, 0x80}) {
      std::string bad = text;
      bad[i] = static_cast<char>(bad[i] ^ change);
      put_config(bad);
      try {
        open(made.ring);
        // White space means nothing.
        EXPECT_EQ(Json::parse(bad), Json::parse(text)) << "byte " << i << " of " << bad;
      } catch (const Error& error) {
        EXPECT_TRUE(error.code() == Code::kCorrupt || error.code() == Code::kUnsupported ||
                    error.code() == Code::kDenied)
            << error.what();
      }
    }
  }
}

TEST_F(VaultTest, TruncatedConfigIsCorrupt) {
  const std::string text(as_text(made.store.get("holdfast.json")));
  for (std::size_t size = 0; size + 1 < text.size(); ++size) {
    put_config(text.substr(0, size));
    expect_refused(Code::kCorrupt, made.ring);
  }
}

TEST_F(VaultTest, CreatingTwiceOrOverOthersIsAConflict) {
  const auto create = [](ObjectStore& store, Clock& clock) {
    Vault::create(store, clock, test_ring(3), small_parameters(), {});
  };
  expect_error(Code::kConflict, [&] { create(made.store, made.clock); });
  EXPECT_NO_THROW(open(made.ring));
  MemoryStore foreign(made.clock);
  foreign.put("photos/cat.jpg", as_bytes("meow"));
  const auto error = error_of([&] { create(foreign, made.clock); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::kConflict);
  EXPECT_NE(error->message().find("photos/cat.jpg"), std::string::npos);
  EXPECT_FALSE(foreign.stat("holdfast.json"));
}

struct BackupNamesTest : VaultTest {
  BackupNamesTest() {
    for (const char* key : {"files/2025-11-09/backup-20251109-120000-web.hfb",
                            "database/2025-11-10/backup-20251110-110000-pg.hfb",
                            "config/2025-11-10/backup-20251110-120000-etc.hfb",
                            "files/2025-11-10/backup-20251110-120000-web.hfb"}) {
      made.store.put(key, as_bytes("x"));
    }
    made.store.put("files/2025-11-10/notes.txt", as_bytes("x"));
  }
  std::string find(std::string_view wanted) {
    return find_backup(list_backups(made.store), wanted).key();
  }
};

TEST_F(BackupNamesTest, AreListedOldestFirst) {
  std::vector<std::string> ids;
  for (const BackupName& name : list_backups(made.store)) ids.push_back(name.id());
  EXPECT_EQ(ids,
            (std::vector<std::string>{"backup-20251109-120000-web", "backup-20251110-110000-pg",
                                      "backup-20251110-120000-web", "backup-20251110-120000-etc"}));
}

TEST_F(BackupNamesTest, AreFoundByIdPrefixAndLatest) {
  EXPECT_EQ(find("backup-20251109-120000-web"), "files/2025-11-09/backup-20251109-120000-web.hfb");
  EXPECT_EQ(find("backup-20251109"), "files/2025-11-09/backup-20251109-120000-web.hfb");
  EXPECT_EQ(find("files/2025-11-10/backup-20251110-120000-web.hfb"),
            "files/2025-11-10/backup-20251110-120000-web.hfb");
  EXPECT_EQ(find("latest:web"), "files/2025-11-10/backup-20251110-120000-web.hfb");
  EXPECT_EQ(find("latest:pg"), "database/2025-11-10/backup-20251110-110000-pg.hfb");
  EXPECT_NE(find("latest").find("20251110-120000"), std::string::npos);
}

TEST_F(BackupNamesTest, AmbiguousAndUnknownNamesSaySo) {
  for (const char* wanted : {"backup-20251110-12", "backup", "b"}) {
    const auto error = error_of([&] { find(wanted); });
    ASSERT_TRUE(error) << wanted;
    EXPECT_EQ(error->code(), Code::kInvalid);
    EXPECT_FALSE(error->hint().empty());
  }
  for (const char* wanted : {"", "x", "latest:nobody", "backup-20251109-120000-wep"}) {
    const auto error = error_of([&] { find(wanted); });
    ASSERT_TRUE(error) << wanted;
    EXPECT_EQ(error->code(), Code::kNotFound);
    EXPECT_FALSE(error->hint().empty());
  }
  const auto error = error_of([&] { find("backup-20251109-120000-wep"); });
  EXPECT_NE(error->hint().find("backup-20251109-120000-web"), std::string::npos);
  expect_error(Code::kNotFound, [] { find_backup({}, "latest"); });
}

}  // namespace
}  // namespace holdfast
