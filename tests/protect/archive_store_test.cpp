// Archives as objects of a store: their names, their content, and that they appear whole or not.
#include "protect/archive_store.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/throws.h"
#include "codec/kdf.h"
#include "os/file.h"
#include "os/process.h"
#include "protect/copy.h"
#include "protect/replica.h"
#include "protect/world.h"
#include "store/file_store.h"
#include "support/fault_store.h"

namespace holdfast::test {
namespace {

constexpr const char* kRunbook = "database/2025-11-10/backup-20251110-120000.sql.gz";

ArchiveName name_of(const std::string& key) {
  const auto name = parse_archive_key(key);
  if (!name) throw std::runtime_error(key);
  return *name;
}

TEST(ArchiveKey, RoundTrips) {
  for (const char* key : {kRunbook, "database/2025-11-10/backup-20251110-120000-appdb.sql.gz",
                          "database/2025-11-10/backup-20251110-120000-appdb.sql.zst.age",
                          "files/2025-11-10/backup-20251110-235959-www.example.org.tar.gz",
                          "config/2025-11-10/backup-20251110-000000-a.sql.gz.tar.zst.age",
                          "database/2025-11-10/backup-20251110-120000.tar.zst.age"}) {
    const auto name = parse_archive_key(key);
    ASSERT_TRUE(name.has_value()) << key;
    EXPECT_EQ(name->key(), key);
  }
  const ArchiveName name = name_of("database/2025-11-10/backup-20251110-120000-appdb.sql.zst.age");
  EXPECT_EQ(name.archive_class, "database");
  EXPECT_EQ(name.source, "appdb");
  EXPECT_EQ(name.format, ArchiveFormat::kSqlZst);
  EXPECT_TRUE(name.sealed);
  EXPECT_EQ(format_rfc3339(name.time), "2025-11-10T12:00:00Z");
  EXPECT_EQ(name_of(kRunbook).source, "");
}

TEST(ArchiveKey, OthersAreNone) {
  for (const char* key :
       {"", "database/2025-11-10/backup-20251110-120000-appdb.hfb",
        "database/2025-11-11/backup-20251110-120000-appdb.sql.gz",
        "backup-20251110-120000-appdb.sql.gz", "other/2025-11-10/backup-20251110-120000-a.sql.gz",
        "database/2025-11-10/backup-20251110-120000-.sql.gz",
        "database/2025-11-10/backup-20251110-120000appdb.sql.gz",
        "database/2025-11-10/backup-20251110-120000-Appdb.sql.gz",
        "database/2025-11-10/backup-20251110-120000-a.sql",
        "database/2025-11-10/backup-20251110-120000-a.sql.gz.gpg",
        "database/2025-11-10/x/backup-20251110-120000-a.sql.gz",
        "database/2025-11-10/backup-20251310-120000-a.sql.gz", "database/.sql.gz", "files/tar.gz",
        "database/2025-11-10/backup-20251110-120000-asql.gz"}) {
    EXPECT_FALSE(parse_archive_key(key).has_value()) << key;
  }
}

class ArchiveStore : public testing::Test {
 protected:
  ArchiveStore() {
    for (int i = 0; i < 5'000; ++i) dump_ += fmt::format("INSERT INTO t VALUES ({});\n", i);
  }
  void store_one(ObjectStore& store, const std::string& key,
                 const std::vector<Key>& recipients = {}) const {
    ArchiveWriter writer(store, name_of(key), {recipients, {}, 2});
    writer.write(as_bytes(dump_).first(1000));
    writer.write(as_bytes(dump_).subspan(1000));
    writer.commit();
    EXPECT_EQ(writer.bytes_in(), dump_.size());
    EXPECT_EQ(writer.bytes_out(), store.stat(key)->size);
  }
  std::string read_one(ObjectStore& store, const std::string& key,
                       const std::vector<Key>& identities = {}) const {
    std::string text;
    const ArchiveContent content = read_archive(store, name_of(key), identities,
                                                [&](ByteView data) { text += as_text(data); });
    EXPECT_EQ(content.bytes, text.size());
    return text;
  }

  StandingClock clock_;
  MemoryStore store_{clock_};
  std::string dump_;
};

TEST_F(ArchiveStore, RoundTripsInEveryFormat) {
  const Key identity = random_array<32>();
  for (const char* suffix : {"sql.gz", "sql.zst", "tar.gz", "tar.zst"}) {
    const std::string key =
        std::string("database/2025-11-10/backup-20251110-120000-appdb.") + suffix;
    store_one(store_, key);
    EXPECT_EQ(read_one(store_, key), dump_);
    store_one(store_, key + ".age", {public_key_of(identity)});
    EXPECT_EQ(read_one(store_, key + ".age", {identity}), dump_);
    EXPECT_EQ(thrown_by([&] { read_one(store_, key + ".age"); }), Code::kDenied);
    EXPECT_EQ(thrown_by([&] { read_one(store_, key + ".age", {random_array<32>()}); }),
              Code::kDenied);
  }
  EXPECT_EQ(list_archives(store_).size(), 8u);
}

// The runbook's own lines, on a store that is a directory.
TEST_F(ArchiveStore, StandardToolsReadIt) {
  const TempDir files;
  make_directories(files / "store");
  FileStore store(files / "store", FileStore::Access::kReadAndWrite);
  store_one(store, kRunbook);
  ProcessOptions options;
  options.working_directory = files / "store";
  options.argv = {"bash", "-o", "pipefail", "-c",
                  std::string("gunzip -t ") + kRunbook + " && cat " + kRunbook + " | gunzip"};
  const ProcessResult result = run_process(options);
  EXPECT_EQ(result.exit_code, 0) << result.error_output;
  EXPECT_EQ(result.output, dump_);
}

TEST_F(ArchiveStore, WithoutACommitThereIsNothing) {
  {
    ArchiveWriter writer(store_, name_of(kRunbook), {});
    writer.write(as_bytes(dump_));
    EXPECT_TRUE(list_archives(store_).empty());
  }
  EXPECT_TRUE(list_objects(store_, "").empty());
}

TEST_F(ArchiveStore, WhatExistsStays) {
  store_one(store_, kRunbook);
  const Bytes before = store_.get(kRunbook);
  EXPECT_EQ(thrown_by([&] { ArchiveWriter(store_, name_of(kRunbook), {}); }), Code::kConflict);
  store_.remove(kRunbook);
  ArchiveWriter late(store_, name_of(kRunbook), {});
  late.write(as_bytes("late"));
  store_.put(kRunbook, before);  // somebody was faster
  EXPECT_EQ(thrown_by([&] { late.commit(); }), Code::kConflict);
  EXPECT_EQ(store_.get(kRunbook), before);
}

TEST_F(ArchiveStore, TheNameMustSayWhetherItIsSealed) {
  EXPECT_EQ(thrown_by([&] {
              ArchiveWriter(store_, name_of(kRunbook), {{random_array<32>()}, {}, 1});
            }),
            Code::kInternal);
}

TEST_F(ArchiveStore, EveryDamageIsNoticed) {
  const Key identity = random_array<32>();
  const std::string sealed = std::string(kRunbook) + ".age";
  store_one(store_, kRunbook);
  store_one(store_, sealed, {public_key_of(identity)});
  for (const std::string& key : {std::string(kRunbook), sealed}) {
    const Bytes good = store_.get(key);
    for (std::size_t size = 0; size < good.size(); size += 1 + good.size() / 50) {
      store_.put(key, ByteView(good).first(size));
      EXPECT_EQ(thrown_by([&] { read_one(store_, key, {identity}); }), Code::kCorrupt) << size;
    }
    for (std::size_t at = 12; at < good.size(); at += 1 + good.size() / 50) {
      Bytes bad = good;
      bad[at] ^= 0x20;
      store_.put(key, bad);
      const auto code = thrown_by([&] { read_one(store_, key, {identity}); });
      EXPECT_TRUE(code == Code::kCorrupt || code == Code::kDenied || code == Code::kUnsupported)
          << at;
    }
  }
}

TEST_F(ArchiveStore, ListsThemOldestFirstAndNothingElse) {
  store_one(store_, "files/2025-11-12/backup-20251112-120000-www.tar.zst");
  store_one(store_, kRunbook);
  store_one(store_, "config/2025-11-11/backup-20251111-120000-host.tar.gz");
  store_.put("database/2025-11-10/notes.txt", as_bytes("x"));
  store_.put("database/2025-11-10/backup-20251110-120000-appdb.hfb", as_bytes("x"));
  std::vector<std::string> keys;
  for (const StoredArchive& archive : list_archives(store_)) {
    keys.push_back(archive.name.key());
    EXPECT_EQ(archive.size, store_.stat(archive.name.key())->size);
  }
  EXPECT_THAT(keys,
              testing::ElementsAre(kRunbook, "config/2025-11-11/backup-20251111-120000-host.tar.gz",
                                   "files/2025-11-12/backup-20251112-120000-www.tar.zst"));
}

// Beside a vault: its own work leaves archives alone, and a copy has them too.
class ArchivesBesideAVault : public ArchiveStore {
 protected:
  ArchivesBesideAVault() : vault_(tiny_vault(store_, clock_, ring_)) {
    directory_ = files_ / "src";
    make_small_tree(directory_, random_);
    for (int i = 0; i < 2; ++i) {
      change_tree(directory_, random_);
      kept_.kept.push_back(keep_backup(*vault_, job_of(directory_), directory_));
      clock_.advance(std::chrono::minutes(1));
    }
    store_one(store_, kRunbook);
    archive_ = store_.get(kRunbook);
  }
  CopyResult copy(ObjectStore& to, bool verify = false) {
    CopyJob job;
    job.verify = verify;
    CopyProgress progress;
    return copy_vault(store_, to, job, progress, {});
  }

  std::mt19937_64 random_{7};
  const KeyRing ring_ = new_key_ring();
  const TempDir files_;
  std::string directory_;
  std::unique_ptr<Vault> vault_;
  Expectations kept_;
  Bytes archive_;
};

TEST_F(ArchivesBesideAVault, AreNoBackupsAndNoFindings) {
  EXPECT_EQ(list_backups(store_).size(), 2u);
  EXPECT_EQ(findings_of(validate_all(*vault_)), "");
  EXPECT_EQ(vault_trouble(store_, ring_, kept_), "");
}

TEST_F(ArchivesBesideAVault, StayWhenEverythingElseIsPruned) {
  for (const BackupName& name : list_backups(store_)) store_.remove(name.key());
  for (int i = 0; i < 3; ++i) {
    prune_now(*vault_);
    clock_.advance(std::chrono::hours(48));
  }
  prune_now(*vault_);
  EXPECT_TRUE(list_objects(store_, "data/").empty());
  EXPECT_EQ(store_.get(kRunbook), archive_);
}

TEST_F(ArchivesBesideAVault, ACopyHasThemAndHealsThem) {
  MemoryStore to(clock_);
  const CopyResult first = copy(to);
  EXPECT_EQ(first.backups, 2u);
  EXPECT_EQ(to.get(kRunbook), archive_);
  EXPECT_EQ(vault_trouble(to, ring_, kept_), "");
  EXPECT_EQ(measure_replica(store_, to, clock_.now()).missing_objects, 0u);
  EXPECT_EQ(copy(to).objects, 0u);

  Bytes bad = archive_;
  bad[bad.size() / 2] ^= 1;
  to.put(kRunbook, bad);
  EXPECT_EQ(copy(to, true).healed, 1u);
  EXPECT_EQ(to.get(kRunbook), archive_);

  to.remove(kRunbook);
  EXPECT_EQ(measure_replica(store_, to, clock_.now()).missing_objects, 1u);
  EXPECT_EQ(copy(to).objects, 1u);
  EXPECT_EQ(to.get(kRunbook), archive_);
}

}  // namespace
}  // namespace holdfast::test
