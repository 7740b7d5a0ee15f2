// A restore over the data directory of an old cluster: what was there is kept, and what was
// restored is looked at before anything is started on it.
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "base/throws.h"
#include "os/file.h"
#include "postgres/shop.h"
#include "source/postgres/restored.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSafety = "shop-before-restore";

class InPlace : public ::testing::Test {
 protected:
  InPlace() {
    server_.start();
    server_.query("CREATE TABLE t AS SELECT 1 AS id");
    shop_.emplace(server_);
    shop_->back_up();
    server_.query("INSERT INTO t VALUES (2); CREATE TABLE later AS SELECT 1");
  }

  Outcome over(int code, std::vector<std::string> words = {}) const {
    words.insert(words.end(), {"--overwrite", "if-changed", "--delete"});
    return shop_->restore(server_, words, code);
  }
  // A second backup, and the log behind it.
  void back_up_with_log() const {
    Background stream = shop_->start("stream.log", {"stream", "shop", "--interval", "20ms"});
    stream.wait_for("receiving from");
    shop_->back_up();
    server_.query("INSERT INTO t VALUES (3); SELECT pg_switch_wal()");
    server_.wait_for("SELECT count(*) FROM pg_stat_replication WHERE flush_lsn >= '" +
                         server_.query("SELECT pg_current_wal_flush_lsn()") + "'",
                     "1");
    EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
  }
  std::vector<std::string> words_over(const std::string& backup) const {
    return {"restore", backup, "--target", server_.data(), "--overwrite", "if-changed", "--delete"};
  }
  std::size_t safety_backups() const {
    return shop_->expect_json(0, {"list", "--source", kSafety}).at("backups").size();
  }

  PostgresServer server_{PostgresOptions{{"--data-checksums", "--wal-segsize=1"}, {}}};
  std::optional<Shop> shop_;
};

TEST_F(InPlace, WithoutHooksTheOldClusterIsKept) {
  // Nobody will stop it: known before anything is stored.
  const Outcome runs = over(6);
  EXPECT_NE(runs.err.find("a server runs in"), std::string::npos) << runs.err;
  EXPECT_EQ(shop_->expect_json(0, {"list"}).at("backups").size(), 1u);
  server_.stop();
  const Outcome done = over(0);
  EXPECT_NE(done.out.find(std::string("-") + kSafety), std::string::npos) << done.out;
  EXPECT_EQ(safety_backups(), 1u);
  start_restored(server_);
  EXPECT_EQ(server_.query("SELECT count(*) FROM t"), "1");
  server_.stop();
  // The way back.
  PostgresServer old("old");
  const std::string place = server_.data();
  shop_->expect(
      0, {"restore", std::string("latest:") + kSafety, "--target", old.data(), "--strip-components",
          std::to_string(std::count(place.begin(), place.end(), '/'))});
  give_to_postgres(old.data());
  fs::permissions(old.data(), fs::perms::owner_all);
  start_restored(old);
  EXPECT_EQ(old.query("SELECT count(*) FROM t, later"), "2");
}

TEST_F(InPlace, NothingIsKeptOnRequestOrOfWhatIsHalfRestored) {
  server_.stop();
  over(0, {"--no-safety-backup"});
  EXPECT_EQ(shop_->expect_json(0, {"list"}).at("backups").size(), 1u);
  // As an interruption leaves it.
  fs::create_directory(server_.data() + "/~holdfast");
  fs::remove(server_.data() + "/global/pg_control");
  over(0);
  EXPECT_EQ(shop_->expect_json(0, {"list"}).at("backups").size(), 1u);
  // Left behind right at the end: a server could start, and may have run.
  fs::create_directory(server_.data() + "/~holdfast");
  const json done = shop_->expect_json(0, {"restore", "latest:shop", "--target", server_.data(),
                                           "--overwrite", "if-changed", "--delete"});
  EXPECT_NE(done.at("safety_backup").get<std::string>().find(kSafety), std::string::npos);
  EXPECT_EQ(safety_backups(), 1u);
}

TEST_F(InPlace, AnUnfinishedRestoreIsFinishedBeforeAnother) {
  const std::string first = shop_->backups().at(0).at("id");
  back_up_with_log();
  const std::string latest = shop_->backups().at(1).at("id");
  server_.stop();
  const std::string mark = server_.data() + "/.holdfast-restore.json";
  // Validated, and damaged when it is needed: then all files are there.
  const std::string piece = shop_->log_objects(shop_->log_segments().back()).front();
  const Bytes whole = read_file(piece);
  const std::string damage = *shop_ / "damage";
  shop_->configure(Shop::connection(server_), "    restore:\n      before: ['[ ! -e " + damage +
                                                  " ] || mv " + damage + " " + piece + "']\n");
  const auto break_it = [&] {
    Bytes damaged = whole;
    damaged.back() ^= 1;  // the header is needed earlier
    write_file_atomic(damage, damaged);
    const Outcome broken = over(5);
    EXPECT_TRUE(path_exists(server_.data() + "/~holdfast/pg_control")) << broken.err;
    write_file_atomic(piece, whole);
    return broken.err;
  };
  break_it();
  const json kept = shop_->expect_json(0, {"list", "--source", kSafety}).at("backups");
  ASSERT_EQ(kept.size(), 1u);
  const std::string safety = kept.at(0).at("id");
  const std::string again = break_it();
  EXPECT_NE(again.find("what was there before is in " + safety), std::string::npos) << again;

  for (const Outcome& other : {shop_->expect(6, words_over(first)),
                               shop_->expect(6, {"restore", first, "--target", server_.data()})}) {
    for (const std::string& said :
         {"finish it: holdfast restore " + latest, "or give it up: empty " + server_.data(),
          "what was there before either is in " + safety}) {
      EXPECT_NE(other.err.find(said), std::string::npos) << other.err;
    }
  }
  const json done = shop_->expect_json(0, words_over("latest:shop"));
  EXPECT_EQ(done.at("safety_backup"), safety);
  EXPECT_EQ(done.at("resumed"), true);
  EXPECT_FALSE(path_exists(mark));
  EXPECT_EQ(safety_backups(), 1u);
  start_restored(server_);
  EXPECT_EQ(server_.query("SELECT count(*) FROM t"), "3");
  server_.stop();

  // Left behind where a server has run since: it is that server's directory.
  write_file_atomic(
      mark,
      as_bytes(json{{"backup", latest}, {"target_was_empty", true}, {"server", true}}.dump()));
  const Outcome ended = shop_->restore(server_, {}, 6);
  EXPECT_NE(ended.err.find("whose restore has ended"), std::string::npos) << ended.err;
  const json other = shop_->expect_json(0, words_over(first));
  EXPECT_NE(other.at("safety_backup"), safety);
  EXPECT_EQ(safety_backups(), 2u);
}

TEST_F(InPlace, NothingIsStartedOnWhatIsNotAsItShouldBe) {
  const std::string turns = *shop_ / "turns";
  const std::string note = "echo $HOLDFAST_EVENT >> " + turns;
  shop_->configure(Shop::connection(server_), "    restore:\n      before: ['" + note +
                                                  "']\n      after: ['" + note +
                                                  "']\n      on_failure: ['" + note + "']\n");
  server_.stop();
  // Something else writes there, from the moment on at which the restore does.
  std::atomic<bool> ended = false;
  std::thread writer([&] {
    while (!ended) {
      if (!path_exists(server_.data() + "/~holdfast")) continue;
      while (!ended) fs::resize_file(server_.data() + "/PG_VERSION", 1);
    }
  });
  const Outcome failed = over(5);
  ended = true;
  writer.join();
  EXPECT_NE(failed.err.find("validate: " + server_.data() + "/PG_VERSION has 1 bytes, and not 3"),
            std::string::npos)
      << failed.err;
  EXPECT_NE(failed.err.find(std::string("what was there before is in backup-")), std::string::npos);
  EXPECT_EQ(as_text(read_file(turns)), "restore.before\nrestore.on_failure\n");
  // The same command again.
  fs::remove(turns);
  over(0);
  EXPECT_EQ(as_text(read_file(turns)), "restore.before\nrestore.after\n");
  start_restored(server_);
  EXPECT_EQ(server_.query("SELECT count(*) FROM t"), "1");
}

// A directory in which something is wrong.
class RestoredCluster : public InPlace {
 protected:
  RestoredCluster() {
    expected_.system = server_.query("SELECT system_identifier FROM pg_control_system()");
    const json backup = shop_->backups().at(0);
    expected_.end = parse_lsn(backup.at("database").at("stop_lsn").get<std::string>());
    expected_.recovery.restore_command = "false";
    expected_.recovery.timeline = "current";
    expected_.recovery.archiving = false;  // beside its source
    shop_->restore(restored_);
  }
  // Refuses it with `change`, and takes it as it was.
  void expect_refused(const std::string& file,
                      const std::function<void(const std::string&)>& change,
                      const std::string& why) const {
    const std::string path = restored_.data() + "/" + file;
    const std::string aside = *shop_ / "aside";
    fs::copy(path, aside, fs::copy_options::overwrite_existing);
    change(path);
    try {
      check_restored_cluster(restored_.data(), expected_);
      ADD_FAILURE() << "passed: " << why;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kCorrupt) << error.message();
      EXPECT_NE(error.message().find(why), std::string::npos) << error.message();
    }
    fs::copy(aside, path, fs::copy_options::overwrite_existing);
    EXPECT_GE(check_restored_cluster(restored_.data(), expected_), 1u);
  }

  PostgresServer restored_{"restored"};
  PgExpected expected_;
};

TEST_F(RestoredCluster, IsRefusedForEachThingThatAServerWouldGetWrong) {
  const auto remove = [](const std::string& path) { fs::remove(path); };
  const auto cut = [](const std::string& path) { fs::resize_file(path, 1 << 19); };
  const auto scribble = [](const std::string& path) {
    std::fstream(path, std::ios::in | std::ios::out | std::ios::binary) << "another system";
  };
  std::string segment;
  for (const auto& entry : fs::directory_iterator(restored_.data() + "/pg_wal")) {
    if (entry.is_regular_file()) segment = entry.path().filename();
  }
  ASSERT_FALSE(segment.empty());
  expect_refused("recovery.signal", remove, "recovery.signal is missing");
  expect_refused("backup_label", remove, "backup_label is missing");
  expect_refused("backup_label", scribble, "does not say where recovery begins");
  expect_refused("global/pg_control", scribble, "the control file is of system");
  expect_refused("postgresql.auto.conf", remove, "postgresql.auto.conf is missing");
  expect_refused(
      "postgresql.auto.conf",
      [](const std::string& path) {
        std::ofstream(path, std::ios::app) << "recovery_target = 'immediate'\n";
      },
      "does not end with the settings");
  expect_refused("pg_wal/" + segment, remove, "pg_wal");
  expect_refused("pg_wal/" + segment, cut, "is not the segment that its name says");
  expected_.end += 64u << 20;
  EXPECT_EQ(thrown_by([&] { check_restored_cluster(restored_.data(), expected_); }),
            Code::kCorrupt);
}

}  // namespace
}  // namespace holdfast
