// Backups that are held up in the middle, where something then happens to the server.
#include <gtest/gtest.h>

#include <functional>
#include <mutex>

#include "base/error.h"
#include "postgres/load.h"
#include "postgres/standby.h"
#include "protect/database_job.h"
#include "protect/world.h"
#include "source/postgres/restore.h"

namespace holdfast {
namespace {

// Does something once, when the content of the first relation file comes.
class HeldUp final : public FileSink {
 public:
  HeldUp(FileSink& sink, const std::function<void()>& once) : sink_(sink), once_(once) {}
  void open(const std::string& path, const FileStyle& style) override {
    if (style.fixed_chunk > 0 && !done_) {
      done_ = true;
      once_();
    }
    sink_.open(path, style);
  }
  void write(const std::string& path, ByteView content) override { sink_.write(path, content); }
  void close(const std::string& path) override { sink_.close(path); }
  void directory(const std::string& path, const FileStyle& style) override {
    sink_.directory(path, style);
  }
  void expect(std::uint64_t bytes) override { sink_.expect(bytes); }

 private:
  FileSink& sink_;
  const std::function<void()>& once_;
  bool done_ = false;
};

class BrokenBackup : public ::testing::TestWithParam<PgRead> {
 protected:
  // Backs `server` up; `meanwhile` runs when its first relation file is read.
  BackupResult back_up(const PostgresServer& server, const std::function<void()>& meanwhile) {
    SourceSettings source;
    source.name = "shop";
    source.backup_class = "database";
    source.postgresql.emplace();
    source.postgresql->connection = "host=" + server.socket_directory() + " user=postgres";
    source.postgresql->system_user = "";
    source.postgresql->read = GetParam();
    const StagingDirectory staging(directory_ / "staging");
    BackupJob job = database_job(*vault_, source, false, staging, warnings_, stop_.get_token());
    job.threads = 1;
    const auto once = std::make_shared<std::once_flag>();
    if (job.inspect) {
      job.inspect = [inspect = job.inspect, once, &meanwhile](
                        const PlacedFile& file, std::uint64_t offset, ByteView content) {
        if (file.rules.fixed_chunk > 0) std::call_once(*once, meanwhile);
        return inspect(file, offset, content);
      };
    }
    for (StreamedTree& tree : job.trees) {
      tree.produce = [produce = tree.produce, &meanwhile](FileSink& sink) {
        HeldUp held(sink, meanwhile);
        produce(held);
      };
    }
    BackupProgress progress;
    return run_backup(*vault_, job, progress, warnings_, stop_.get_token());
  }

  // The error of such a backup, of which nothing may be left.
  Error error_of(const PostgresServer& server, const std::function<void()>& meanwhile) {
    try {
      back_up(server, meanwhile);
    } catch (const Error& error) {
      EXPECT_TRUE(list_backups(store_).empty());
      return error;
    }
    ADD_FAILURE() << "the backup counts";
    return {Code::kInternal, ""};
  }

  // With content that does not fit between the server and us.
  static void fill(const PostgresServer& server) {
    server.query(
        "CREATE TABLE pages AS SELECT g AS id, repeat('p', 1000) AS v "
        "FROM generate_series(1, 30000) AS g");
    server.query("CHECKPOINT");
  }

  TempDir directory_;
  MemoryStore store_{system_clock()};
  std::unique_ptr<Vault> vault_ =
      Vault::create(store_, system_clock(), KeyRing::from_master({}, {}), {}, directory_ / "cache");
  Warnings warnings_;
  std::stop_source stop_;
};

TEST_P(BrokenBackup, APromotionIsItsEnd) {
  PostgresServer primary(busy());
  primary.start();
  fill(primary);
  const Shop shop(primary);
  shop.back_up();
  PostgresServer standby("standby");
  start_standby(shop, primary, standby);
  const Error error = error_of(standby, [&] {
    EXPECT_EQ(standby.query("SELECT pg_promote()"), "t");
    standby.wait_for("SELECT pg_is_in_recovery()", "f");
  });
  EXPECT_EQ(error.code(), Code::kConflict) << error.what();
  EXPECT_NE(error.hint().find("promoted"), std::string::npos) << error.hint();
  // As the primary that it is now, it can be backed up.
  bool read = false;
  back_up(standby, [&] { read = true; });
  EXPECT_TRUE(read);
}

TEST_P(BrokenBackup, AServerThatIsKilledIsItsEnd) {
  PostgresServer server(busy());
  server.start();
  fill(server);
  const Error error = error_of(server, [&] { server.kill(); });
  EXPECT_EQ(error.code(), Code::kUnavailable) << error.what();
  EXPECT_FALSE(error.hint().empty());
  server.start();
  back_up(server, [] {});
  EXPECT_EQ(list_backups(store_).size(), 1u);
}

TEST_P(BrokenBackup, AStopIsItsEnd) {
  PostgresServer server(busy());
  server.start();
  fill(server);
  const Error error = error_of(server, [&] { stop_.request_stop(); });
  EXPECT_EQ(error.code(), Code::kCancelled) << error.what();
  server.wait_for("SELECT count(*) FROM pg_replication_slots", "0");
  server.wait_for("SELECT count(*) FROM pg_stat_replication", "0");
}

TEST_P(BrokenBackup, TablesThatComeAndGoAreNoTrouble) {
  PostgresServer server(busy());
  server.start();
  fill(server);
  for (int i = 0; i < 20; ++i) {
    server.query("CREATE TABLE old_" + std::to_string(i) + " AS SELECT 1 AS id");
  }
  const BackupResult result = back_up(server, [&] {
    for (int i = 0; i < 20; ++i) {
      server.query("DROP TABLE old_" + std::to_string(i));
      server.query("CREATE TABLE new_" + std::to_string(i) + " AS SELECT 7 AS id");
    }
    server.query("TRUNCATE pages");
    server.query("CHECKPOINT");
  });
  EXPECT_EQ(warnings_.count(), 0u);
  PostgresServer restored("restored");
  test::bring_back(*vault_, result.summary.name, restored.data());
  PgRecovery recovery;
  recovery.restore_command = "false";  // all of its log is in it
  finish_pg_restore(restored.data(), {}, recovery);
  give_to_postgres(restored.path());
  start_restored(restored);
  EXPECT_EQ(restored.query("SELECT count(*) FROM pages"), "0");
  EXPECT_EQ(restored.query("SELECT id FROM new_19"), "7");
  EXPECT_EQ(restored.query("SELECT to_regclass('old_0') IS NULL"), "t");
  expect_sound(restored);
}

INSTANTIATE_TEST_SUITE_P(Ways, BrokenBackup, ::testing::Values(PgRead::kDirect, PgRead::kStream),
                         [](const auto& way) {
                           return way.param == PgRead::kDirect ? "direct" : "stream";
                         });

}  // namespace
}  // namespace holdfast
