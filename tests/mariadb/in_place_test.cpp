// A restore of MariaDB over an old server: what was there is kept, and what was restored is looked
// at before anything is started on it.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "base/throws.h"
#include "mariadb/shop.h"
#include "os/file.h"
#include "os/identity.h"
#include "protect/restore_mark.h"
#include "protect/restored_check.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSafety = "shop-before-restore";

class MariadbInPlace : public ::testing::Test {
 protected:
  MariadbInPlace() {
    server_.run({"CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)",
                 "INSERT INTO shop.t VALUES (1)"});
    Background stream = shop_.stream();
    shop_.back_up();
    server_.run({"INSERT INTO shop.t VALUES (2)"});
    shop_.wait_until_durable(server_);
    EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
    wanted_ = server_.contents();
    server_.run({"CREATE TABLE shop.later (id INT)"});
  }
  Outcome over(int code, std::vector<std::string> words = {}) const {
    words.insert(words.begin(), {"restore", "latest:shop", "--target", old_, "--overwrite",
                                 "if-changed", "--delete"});
    return shop_.expect(code, words);
  }
  std::size_t backups() const { return shop_.expect_json(0, {"list"}).at("backups").size(); }

  TestMariadb server_;
  MariadbShop shop_{server_};
  const std::string old_ = server_.data_directory();
  std::string wanted_;
};

TEST_F(MariadbInPlace, TheOldServerIsKeptAndTheNewOneLookedAt) {
  EXPECT_NE(over(6).err.find("a server runs on"), std::string::npos);
  EXPECT_EQ(backups(), 1u);
  server_.stop();
  const Outcome done = over(0);
  EXPECT_NE(done.out.find(std::string("-") + kSafety), std::string::npos) << done.out;
  EXPECT_NE(done.out.find("the files are prepared, the checksums of"), std::string::npos)
      << done.out;
  // Its binary log would make the server believe that it has what came later.
  EXPECT_FALSE(path_exists(old_ + "/binlog.000001"));
  EXPECT_FALSE(path_exists(old_ + "/binlog.state"));
  EXPECT_EQ(TestMariadb::on(old_).contents(), wanted_);
  // The way back.
  const std::string back = shop_ / "back";
  shop_.expect(0,
               {"restore", std::string("latest:") + kSafety, "--target", back, "--strip-components",
                std::to_string(std::count(old_.begin(), old_.end(), '/'))});
  if (::geteuid() == 0) {
    const SystemUser user = system_user("mysql");
    ASSERT_EQ(::chown(back.c_str(), user.uid, user.gid), 0);
  }
  EXPECT_EQ(TestMariadb::on(back).sql("SELECT count(*) FROM shop.t, shop.later"), "0");
  over(0, {"--no-safety-backup"});
  EXPECT_EQ(backups(), 2u);
}

TEST_F(MariadbInPlace, RecoverBringsItBackToItsOldPlace) {
  const std::vector<std::string> recover{"recover", "--from", shop_ / "vault", "--in-place"};
  EXPECT_NE(shop_.expect(6, recover).err.find("a server runs on"), std::string::npos);
  server_.stop();
  EXPECT_NE(shop_.expect(6, recover).err.find("the files of a MariaDB"), std::string::npos);
  fs::rename(old_, old_ + ".old");
  // An earlier run was killed in the midst of it.
  const std::string id = shop_.expect_json(0, {"list"}).at("backups").at(0).at("id");
  fs::create_directory(old_);
  mark_restore(old_, {id, true, true, ""});
  std::ofstream(old_ + "/aria_log_control") << "half";
  const json back = shop_.expect_json(0, recover);
  EXPECT_EQ(back.at("recovered")[0].at("target"), old_);
  EXPECT_EQ(TestMariadb::on(old_).contents(), wanted_);
}

TEST_F(MariadbInPlace, AnUnfinishedRestoreIsFinishedBeforeAnother) {
  const std::string first = shop_.expect_json(0, {"list"}).at("backups").at(0).at("id");
  shop_.back_up();
  server_.stop();
  const std::vector<std::string> words = {"restore",     first,        "--target", old_,
                                          "--overwrite", "if-changed", "--delete"};
  const std::string mark = old_ + "/.holdfast-restore.json";
  // Killed when all files are there.
  Background killed = shop_.start("restore.log", words);
  killed.wait_for_file(old_ + "/.holdfast-unfinished/global_priv.frm");
  killed.end(SIGKILL);
  const json kept = shop_.expect_json(0, {"list", "--source", kSafety}).at("backups");
  ASSERT_EQ(kept.size(), 1u);
  const std::string safety = kept.at(0).at("id");
  // A second try fails, too.
  const std::string piece = shop_ / ("vault/" + shop_.log_keys().back());
  const Bytes whole = read_file(piece);
  Bytes damaged = whole;
  damaged.back() ^= 1;
  write_file_atomic(piece, damaged);
  const Outcome broken = shop_.expect(5, words);
  EXPECT_NE(broken.err.find("what was there before is in " + safety), std::string::npos)
      << broken.err;
  const Outcome other = over(6, {"--to-immediate"});
  EXPECT_NE(other.err.find("finish it: holdfast restore " + first), std::string::npos) << other.err;
  EXPECT_NE(other.err.find("what was there before either is in " + safety), std::string::npos)
      << other.err;
  write_file_atomic(piece, whole);
  const json done = shop_.expect_json(0, words);
  EXPECT_EQ(done.at("safety_backup"), safety);
  EXPECT_EQ(done.at("resumed"), true);
  EXPECT_FALSE(path_exists(mark));
  EXPECT_EQ(TestMariadb::on(old_).contents(), wanted_);

  // Left behind right at the end: a server could start, and has run.
  fs::create_directory(old_ + "/.holdfast-unfinished");
  write_file_atomic(mark, as_bytes(json{{"backup", first}, {"server", true}}.dump()));
  over(0, {"--to-immediate"});
  EXPECT_EQ(shop_.expect_json(0, {"list", "--source", kSafety}).at("backups").size(), 2u);
}

TEST_F(MariadbInPlace, WhatIsNotAsItShouldBeIsSaid) {
  MariadbRestore job;
  job.files.target = shop_.restore("restored", {"--to-immediate"});
  const std::string& at = job.files.target;
  const auto code = [&] { return thrown_by([&] { check_restored_mariadb(job, {}); }); };
  EXPECT_EQ(code(), std::nullopt);
  for (const char* name : {"ibdata1", "undo001"}) {
    const std::string path = at + "/" + name;
    const std::string aside = shop_ / "aside";
    if (!path_exists(path)) continue;
    fs::copy(path, aside, fs::copy_options::overwrite_existing);
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(16384 + 5000);
    file << "not what was written";
    file.close();
    EXPECT_EQ(code(), Code::kCorrupt) << name;
    fs::copy(aside, path, fs::copy_options::overwrite_existing);
    EXPECT_EQ(code(), std::nullopt);
  }
  // As it is while the files are prepared.
  const std::string accounts = at + "/mysql/global_priv.frm";
  fs::create_directory(at + "/.holdfast-unfinished");
  fs::rename(accounts, at + "/.holdfast-unfinished/global_priv.frm");
  EXPECT_EQ(code(), Code::kCorrupt);
  fs::rename(at + "/.holdfast-unfinished/global_priv.frm", accounts);
  fs::remove(at + "/.holdfast-unfinished");
  const std::string state = at + "/xtrabackup_checkpoints";
  fs::rename(state, shop_ / "aside");
  EXPECT_EQ(code(), Code::kCorrupt);
  fs::copy(shop_ / "aside", state);
  const TestMariadb running = TestMariadb::on(at);
  EXPECT_EQ(code(), Code::kConflict);
}

}  // namespace
}  // namespace holdfast
