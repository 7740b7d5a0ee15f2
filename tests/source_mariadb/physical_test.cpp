#include "source/mariadb/physical.h"

#include <gtest/gtest.h>

#include "base/throws.h"
#include "os/file.h"
#include "source/mariadb/restore.h"
#include "support/temp_dir.h"

namespace holdfast {
namespace {

ProcessResult ended(int exit_code, const std::string& said) {
  ProcessResult result;
  result.exit_code = exit_code;
  result.error_output = said;
  return result;
}

TEST(MariadbPhysical, GoodNeedsTheExitCodeAndTheWords) {
  const auto judge = [](const ProcessResult& result) {
    return thrown_by([&] { check_mariadb_backup(result, "mariadb-backup"); });
  };
  EXPECT_EQ(judge(ended(0, "[00] 2026-11-23 03:11:17 completed OK!\n")), std::nullopt);
  EXPECT_EQ(judge(ended(1, "[00] 2026-11-23 03:11:17 completed OK!\n")), Code::kInvalid);
  EXPECT_EQ(judge(ended(0, "[00] completed OK!\nand then it broke\n")), Code::kInvalid);
  EXPECT_EQ(judge(ended(0, "")), Code::kInvalid);
  EXPECT_EQ(judge(ended(1, "Access denied for user")), Code::kDenied);
  EXPECT_EQ(judge(ended(1, "Can't connect to local server")), Code::kUnavailable);
  ProcessResult stopped = ended(143, "");
  stopped.stopped = true;
  EXPECT_EQ(judge(stopped), Code::kCancelled);
}

TEST(MariadbPhysical, ReadsThePosition) {
  EXPECT_EQ(parse_position_file("binlog.000002\t988\t0-7-4,1-2-3\n"),
            (MariadbPosition{"binlog.000002", 988, "0-7-4,1-2-3"}));
  EXPECT_EQ(parse_position_file("b.1\t4\t\n"), (MariadbPosition{"b.1", 4, ""}));
  EXPECT_EQ(parse_position_file("b.1\t4"), (MariadbPosition{"b.1", 4, ""}));
  for (const char* text : {"", "\n", "b.1", "b.1\tx\t0-1-2", "\t4\t", "b.1\t4x\t"}) {
    EXPECT_EQ(thrown_by([&] { parse_position_file(text); }), Code::kInvalid) << text;
  }
}

TEST(MariadbPhysical, TheMomentIsWhenCommitsWereHeldBack) {
  EXPECT_EQ(locked_at("[00] 2026-11-23 03:11:16 Finished BACKUP STAGE BLOCK_DDL\n"
                      "[00] 2026-11-23 03:11:17 Starting BACKUP STAGE BLOCK_COMMIT\n"
                      "[00] 2026-11-23 03:11:19 Acquired locks for BACKUP STAGE BLOCK_COMMIT\n"),
            parse_rfc3339("2026-11-23T03:11:17Z"));
  EXPECT_EQ(locked_at("[00] 2026-11-23 03:11:17 completed OK!\n"), std::nullopt);
  EXPECT_EQ(locked_at("BACKUP STAGE BLOCK_COMMIT"), std::nullopt);
  EXPECT_EQ(locked_at("[00] some other clock; x BACKUP STAGE BLOCK_COMMIT"), std::nullopt);
}

TEST(MariadbPhysical, KnowsFilesOfPages) {
  for (const char* path : {"ibdata1", "undo001", "shop/orders.ibd", "mysql/db.MAD", "a/b.MAI"}) {
    EXPECT_TRUE(has_pages(path)) << path;
  }
  for (const char* path : {"ib_logfile0", "shop/orders.frm", "ibdata.d/x", "aria_log.00000001"}) {
    EXPECT_FALSE(has_pages(path)) << path;
  }
}

TEST(MariadbRestore, OnlyAWholeBackupIsFinished) {
  const TempDir directory;
  const auto finish = [&] {
    return thrown_by([&] { finish_mariadb_restore(directory.path(), {}, {}); });
  };
  EXPECT_EQ(finish(), Code::kNotFound);
  write_file_atomic(directory / "xtrabackup_checkpoints", as_bytes("backup_type = log-applied\n"));
  for (const char* name : {"ibdata1", "ib_logfile0", "mysql", "backup-my.cnf"}) {
    EXPECT_EQ(finish(), Code::kNotFound) << name;
    write_file_atomic(directory / name, as_bytes("x"));
  }
  write_file_atomic(directory / "xtrabackup_checkpoints",
                    as_bytes("backup_type = full-backuped\n"));
  EXPECT_EQ(finish(), Code::kInvalid);  // what is there cannot be prepared
}

}  // namespace
}  // namespace holdfast
