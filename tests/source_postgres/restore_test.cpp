// The last steps of a physical restore, killed at each of them.
#include "source/postgres/restore.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "os/file.h"
#include "support/syscall_kill.h"
#include "support/temp_dir.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

void write(const std::string& path, const std::string& text) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path) << text;
}

std::string read(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// What the restore of the files leaves.
void fill(const std::string& data, const std::string& space) {
  fs::create_directories(data + "/base");
  fs::create_directories(data + "/global");
  fs::create_directories(data + "/pg_tblspc");
  fs::create_directories(space);
  fs::permissions(data + "/base", fs::perms(0700));
  write(data + "/PG_VERSION", "15\n");
  write(data + "/postgresql.auto.conf",
        "work_mem = '1MB'\nrecovery_target_time = 'old'\nrestore_command = 'old'\n");
  const std::string extras = data + "/~holdfast";
  write(extras + "/backup_label", "label");
  write(extras + "/pg_control", "control");
  write(extras + "/tablespace_map", "16384 /old/place\n");
  write(extras + "/config-pg_hba.conf", "hba");
  write(extras + "/wal/000000010000000000000002", "wal");
  write(extras + "/wal/000000010000000000000003", "more");
}

// What the server's own configuration may have of an earlier recovery.
const std::string kNoTargets =
    "recovery_target = ''\nrecovery_target_time = ''\nrecovery_target_xid = ''\n"
    "recovery_target_lsn = ''\nrecovery_target_name = ''\n";

PgRecovery to_a_name() {
  PgRecovery recovery;
  recovery.restore_command = "false";
  recovery.target = PgRecoveryTarget{PgTargetKind::kName, "it's", false};
  recovery.timeline = "2";
  return recovery;
}

// What is wrong with a directory that a server could start on.
std::string trouble(const std::string& data, const std::string& space) {
  const std::string settings =
      "work_mem = '1MB'\n# holdfast: recovery settings of the last restore\n"
      "recovery_target = ''\nrecovery_target_time = ''\nrecovery_target_xid = ''\n"
      "recovery_target_lsn = ''\n"
      "restore_command = 'false'\nrecovery_target_name = 'it''s'\n"
      "recovery_target_inclusive = 'off'\nrecovery_target_action = 'promote'\n"
      "recovery_target_timeline = '2'\n";
  if (read(data + "/backup_label") != "label") return "no label";
  if (read(data + "/postgresql.auto.conf") != settings) return read(data + "/postgresql.auto.conf");
  if (!path_exists(data + "/recovery.signal")) return "no recovery.signal";
  if (path_exists(data + "/standby.signal")) return "a standby";
  if (read(data + "/pg_wal/000000010000000000000002") != "wal") return "no first segment";
  if (read(data + "/pg_wal/000000010000000000000003") != "more") return "no second segment";
  if (!path_exists(data + "/pg_wal/archive_status")) return "no archive_status";
  if (fs::read_symlink(data + "/pg_tblspc/16384") != space) return "no tablespace";
  if (path_exists(data + "/tablespace_map")) return "a map of the old host";
  if (read(data + "/restored_config/pg_hba.conf") != "hba") return "no configuration";
  return "";
}

TEST(FinishPgRestore, KilledAnywhereNoServerStartsOnLessThanAll) {
  std::uint64_t at = 1;
  for (bool killed = true; killed; ++at) {
    const TempDir place;
    const std::string data = place / "data";
    const std::string space = place / "space";
    fill(data, space);
    const std::map<std::string, std::string> spaces = {{"16384", space}};
    const auto finish = [&] { finish_pg_restore(data, spaces, to_a_name()); };
    killed = killed_at_change(finish, at);
    if (path_exists(data + "/global/pg_control")) {
      EXPECT_EQ(trouble(data, space), "") << "killed at " << at;
    } else {
      EXPECT_TRUE(is_unfinished_pg_restore(data));
      finish();  // the same once more
      EXPECT_EQ(trouble(data, space), "") << "finished after " << at;
      EXPECT_EQ(read(data + "/global/pg_control"), "control");
      EXPECT_FALSE(is_unfinished_pg_restore(data));
    }
  }
  EXPECT_GT(at, 20u);
}

TEST(FinishPgRestore, WithoutAControlFileItIsNoBackup) {
  const TempDir place;
  fill(place / "data", place / "space");
  fs::remove(place / "data/~holdfast/pg_control");
  try {
    finish_pg_restore(place / "data", {}, {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kCorrupt);
  }
  EXPECT_FALSE(path_exists(place / "data/backup_label"));
}

TEST(FinishPgRestore, AStandbyFollowsItsPrimary) {
  const TempDir place;
  fill(place / "data", place / "space");
  PgRecovery recovery;
  recovery.standby = true;
  recovery.primary_conninfo = "host=primary password=it's";
  finish_pg_restore(place / "data", {}, recovery);
  EXPECT_TRUE(path_exists(place / "data/standby.signal"));
  EXPECT_FALSE(path_exists(place / "data/recovery.signal"));
  EXPECT_EQ(read(place / "data/postgresql.auto.conf"),
            "work_mem = '1MB'\n# holdfast: recovery settings of the last restore\n" + kNoTargets +
                "primary_conninfo = 'host=primary password=it''s'\n");
}

TEST(FinishPgRestore, OneThatDoesNotArchiveSaysSoOnce) {
  const TempDir place;
  fill(place / "data", place / "space");
  write(place / "data/postgresql.auto.conf", "archive_mode = 'on'\nwork_mem = '1MB'\n");
  PgRecovery recovery;
  recovery.archiving = false;
  finish_pg_restore(place / "data", {}, recovery);
  EXPECT_EQ(read(place / "data/postgresql.auto.conf"),
            "work_mem = '1MB'\n# holdfast: recovery settings of the last restore\n" + kNoTargets +
                "archive_mode = 'off'\n");
}

TEST(TablespaceMap, IsReadWithItsEscapes) {
  const auto spaces = parse_tablespace_map("16384 /srv/a b\n16385 /srv/new\\\nline\n");
  ASSERT_EQ(spaces.size(), 2u);
  EXPECT_EQ(spaces[0].oid, "16384");
  EXPECT_EQ(spaces[0].location, "/srv/a b");
  EXPECT_EQ(spaces[1].location, "/srv/new\nline");
  EXPECT_TRUE(parse_tablespace_map("").empty());
  EXPECT_THROW(parse_tablespace_map("no number\n"), Error);
  EXPECT_THROW(parse_tablespace_map("16384\n"), Error);
}

}  // namespace
}  // namespace holdfast
