#include "vault/backup_object.h"

#include <gtest/gtest.h>

#include "store/expect_error.h"
#include "vault/test_vault.h"

namespace holdfast {
namespace {

BackupName some_name() { return {"files", parse_rfc3339("2025-11-10T12:00:00Z"), "web"}; }

BackupSummary some_summary() {
  BackupSummary s;
  s.name = some_name();
  s.host = "db1";
  s.program = "holdfast 1";
  s.started = parse_rfc3339("2025-11-10T12:00:00.123456789Z");
  s.finished = parse_rfc3339("2025-11-10T12:05:00Z");
  s.consistent = parse_rfc3339("1969-12-31T23:59:59Z");
  s.files = 1;
  s.directories = 2;
  s.others = 3;
  s.bytes = ~std::uint64_t{0};
  s.added_raw_bytes = 5;
  s.added_bytes = 6;
  s.warnings = 7;
  s.reach = {test_id(1), 1000, ChunkKind::kRefs};
  return s;
}

BackupRoot some_root() {
  return {{test_id(2), kMaxChunk, ChunkKind::kTree}, {"srv/www", "caf\xe9", ""}, {"lost \xff"}};
}

struct BackupObjectTest : testing::Test {
  KeyRing ring = test_ring();
  Session session = new_session(ring);
  Bytes object = encode_backup(session, ring, some_summary(), some_root());
};

TEST_F(BackupObjectTest, RoundTripsForARestorer) {
  const StoredBackup backup = decode_backup(object, ring, some_name());
  const BackupSummary& s = backup.summary;
  const BackupSummary expected = some_summary();
  EXPECT_EQ(s.name.key(), expected.name.key());
  EXPECT_EQ(s.host, expected.host);
  EXPECT_EQ(s.program, expected.program);
  EXPECT_EQ(s.started, expected.started);
  EXPECT_EQ(s.finished, expected.finished);
  EXPECT_EQ(s.consistent, expected.consistent);
  EXPECT_EQ(s.files, 1u);
  EXPECT_EQ(s.directories, 2u);
  EXPECT_EQ(s.others, 3u);
  EXPECT_EQ(s.bytes, ~std::uint64_t{0});
  EXPECT_EQ(s.added_raw_bytes, 5u);
  EXPECT_EQ(s.added_bytes, 6u);
  EXPECT_EQ(s.warnings, 7u);
  EXPECT_EQ(s.reach, expected.reach);
  ASSERT_TRUE(backup.root);
  EXPECT_EQ(backup.root->tree, some_root().tree);
  EXPECT_EQ(backup.root->paths, some_root().paths);
  EXPECT_EQ(backup.root->errors, some_root().errors);
}

TEST_F(BackupObjectTest, TheFactsOfADatabaseComeWithOrWithoutSettings) {
  BackupSummary summary = some_summary();
  summary.database =
      DatabaseFacts{"mariadb", "10.11.19", "physical", "uid", 0, "binlog.000001:4", "0-1-2", 3, {}};
  const auto stored = [&] {
    return decode_backup(encode_backup(session, ring, summary, some_root()), ring, some_name())
        .summary.database;
  };
  EXPECT_EQ(stored(), summary.database);  // as older backups have it
  summary.database->settings = {{"lower_case_table_names", "1"}, {"sql_mode", ""}};
  EXPECT_EQ(stored(), summary.database);
}

TEST_F(BackupObjectTest, OthersReadTheSummaryAndNotTheRoot) {
  for (const Role role : {Role::kWriter, Role::kOperator}) {
    const StoredBackup backup = decode_backup(object, ring.restricted_to(role), some_name());
    EXPECT_EQ(backup.summary.reach, some_summary().reach);
    EXPECT_FALSE(backup.root);
  }
}

TEST_F(BackupObjectTest, AWriterMakesThemToo) {
  const KeyRing writer = ring.restricted_to(Role::kWriter);
  const Session own = new_session(writer);
  const Bytes made = encode_backup(own, writer, some_summary(), some_root());
  EXPECT_EQ(decode_backup(made, ring, some_name()).root->paths, some_root().paths);
}

TEST_F(BackupObjectTest, IsBoundToItsKeyAndVault) {
  BackupName other_class = some_name(), other_time = some_name(), other_source = some_name();
  other_class.backup_class = "config";
  other_time.time += std::chrono::seconds(1);
  other_source.source = "web2";
  for (const Role role : {Role::kOperator, Role::kRestorer}) {
    const KeyRing reader = ring.restricted_to(role);
    for (const BackupName& name : {other_class, other_time, other_source}) {
      expect_error(Code::kCorrupt, [&] { decode_backup(object, reader, name); });
    }
  }
  expect_error(Code::kCorrupt, [&] { decode_backup(object, test_ring(2), some_name()); });
}

TEST_F(BackupObjectTest, EveryChangedByteIsCorrupt) {
  for (std::size_t i = 0; i < object.size(); ++i) {
    Bytes bad = object;
    bad[i] ^= 1;
    const auto error = error_of([&] { decode_backup(bad, ring, some_name()); });
    ASSERT_TRUE(error) << i;
    EXPECT_EQ(error->code(), Code::kCorrupt);
    EXPECT_NE(error->message().find(some_name().key()), std::string::npos);
    EXPECT_FALSE(error->hint().empty());
  }
}

TEST_F(BackupObjectTest, EveryOtherLengthIsCorrupt) {
  const KeyRing op = ring.restricted_to(Role::kOperator);
  for (std::size_t size = 0; size < object.size(); ++size) {
    const ByteView cut = ByteView(object).first(size);
    expect_error(Code::kCorrupt, [&] { decode_backup(cut, op, some_name()); });
    expect_error(Code::kCorrupt, [&] { decode_backup(cut, ring, some_name()); });
  }
  Bytes longer = object;
  longer.push_back(0);
  expect_error(Code::kCorrupt, [&] { decode_backup(longer, op, some_name()); });
}

TEST_F(BackupObjectTest, HalvesOfTwoBackupsDoNotMix) {
  BackupRoot other_root = some_root();
  other_root.paths = {"srv/wwx"};
  const Bytes other = encode_backup(session, ring, some_summary(), other_root);
  ASSERT_GT(other.size(), 200u);
  // The head and summary of one, the root of the other: of the same name and session.
  Bytes mixed = object;
  const std::size_t tail = 100;
  mixed.resize(object.size() - tail);
  append(mixed, ByteView(other).last(tail));
  expect_error(Code::kCorrupt, [&] { decode_backup(mixed, ring, some_name()); });
}

TEST(BackupKey, IdAndKey) {
  EXPECT_EQ(some_name().id(), "backup-20251110-120000-web");
  EXPECT_EQ(some_name().key(), "files/2025-11-10/backup-20251110-120000-web.hfb");
}

TEST(BackupKey, GoodKeysParse) {
  struct Good {
    const char* key;
    const char* backup_class;
    const char* source;
  };
  const std::string longest(63, 'a');
  const std::string long_key = "files/2025-11-10/backup-20251110-120000-" + longest + ".hfb";
  for (const Good& good :
       {Good{"files/2025-11-10/backup-20251110-120000-web.hfb", "files", "web"},
        Good{"database/2024-02-29/backup-20240229-235959-pg-main.hfb", "database", "pg-main"},
        Good{"config/1999-12-31/backup-19991231-000000-0.hfb", "config", "0"},
        Good{"files/2025-11-10/backup-20251110-120000-a.hfb.hfb", "files", "a.hfb"},
        Good{"files/2025-11-10/backup-20251110-120000-a-_..hfb", "files", "a-_."},
        Good{long_key.c_str(), "files", longest.c_str()}}) {
    const auto name = parse_backup_key(good.key);
    ASSERT_TRUE(name) << good.key;
    EXPECT_EQ(name->backup_class, good.backup_class);
    EXPECT_EQ(name->source, good.source);
    EXPECT_EQ(name->key(), good.key);
  }
}

TEST(BackupKey, BadKeysDoNot) {
  for (const char* key : {"",
                          "files",
                          "files/",
                          "files/2025-11-10/",
                          "holdfast.json",
                          "file/2025-11-10/backup-20251110-120000-web.hfb",
                          "Files/2025-11-10/backup-20251110-120000-web.hfb",
                          "files/2025-11-11/backup-20251110-120000-web.hfb",  // another date
                          "files/2025-11-10/backup-20251110-120000-web.hfB",
                          "files/2025-11-10/backup-20251110-120000-web",
                          "files/2025-11-10/backup-20251110-120000-.hfb",
                          "files/2025-11-10/backup-20251110-120000.hfb",
                          "files/2025-11-10/backup-20251110-120000-Web.hfb",
                          "files/2025-11-10/backup-20251110-120000--web.hfb",
                          "files/2025-11-10/backup-20251110-120000-a b.hfb",
                          "files/2025-11-10/backup-20251110-120000-a/b.hfb",
                          "files/2025-11-10/backup-20251110-250000-web.hfb",
                          "files/2025-11-10/backup-20251310-120000-web.hfb",
                          "files/2025-02-30/backup-20250230-120000-web.hfb",
                          "files/2025-11-10/x/backup-20251110-120000-web.hfb",
                          "files/backup-20251110-120000-web.hfb",
                          "/files/2025-11-10/backup-20251110-120000-web.hfb",
                          "files/2025-11-10/backup-2025111a-120000-web.hfb",
                          "files/2025-11-10/backup_20251110-120000-web.hfb"}) {
    EXPECT_FALSE(parse_backup_key(key)) << key;
  }
  EXPECT_FALSE(
      parse_backup_key("files/2025-11-10/backup-20251110-120000-" + std::string(64, 'a') + ".hfb"));
}

TEST(SourceName, Rules) {
  for (const std::string& good :
       {std::string("a"), std::string("0"), std::string("pg-main_1.x"), std::string(63, 'z')}) {
    EXPECT_NO_THROW(check_source_name(good));
  }
  for (const std::string& bad :
       {std::string(), std::string("-a"), std::string(".a"), std::string("A"), std::string("a b"),
        std::string("a/b"), std::string("\xc3\xa9"), std::string("a\0", 2), std::string(64, 'z')}) {
    const auto error = error_of([&] { check_source_name(bad); });
    ASSERT_TRUE(error) << bad;
    EXPECT_EQ(error->code(), Code::kInvalid);
    EXPECT_FALSE(error->hint().empty());
  }
}

}  // namespace
}  // namespace holdfast
