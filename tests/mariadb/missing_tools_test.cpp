// A restore of MariaDB over an old server, on a host that lacks a program that it will need:
// refused while the old server's files are all there.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>

#include "mariadb/shop.h"
#include "os/file.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

class MissingTools : public ::testing::Test {
 protected:
  MissingTools() {
    server_.run({"CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)",
                 "INSERT INTO shop.t VALUES (1)"});
    Background stream = shop_.stream();
    shop_.back_up();
    server_.run({"INSERT INTO shop.t VALUES (2)"});
    shop_.wait_until_durable(server_);
    EXPECT_EQ(stream.end(SIGTERM), 0) << stream.said();
    server_.run({"CREATE TABLE shop.kept (id INT)", "INSERT INTO shop.kept VALUES (4711)"});
    wanted_ = server_.contents();
    server_.stop();
  }

  // The tools that are named, and nothing else, are in a directory, which is PATH.
  std::string only(const std::vector<std::string>& tools) const {
    const std::string bin = shop_ / "bin";
    fs::remove_all(bin);
    make_directories(bin);
    for (const std::string& tool : tools) fs::create_symlink("/usr/bin/" + tool, bin + "/" + tool);
    return bin;
  }
  void script(const std::string& bin, const std::string& name, const std::string& says) const {
    write_file_atomic(bin + "/" + name, as_bytes("#!/bin/sh\necho '" + says + "'\n"), 0755);
  }

  void expect_refused(const std::string& path, const std::string& why,
                      const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {"restore",     "latest:shop", "--target", old_,
                                      "--overwrite", "if-changed",  "--delete"};
    words.insert(words.end(), more.begin(), more.end());
    const Outcome outcome = shop_.run(words, {{"PATH", path}});
    EXPECT_EQ(outcome.code, 11) << outcome.err;
    EXPECT_NE(outcome.err.find(why), std::string::npos) << outcome.err;
    EXPECT_TRUE(path_exists(old_ + "/ibdata1"));
    EXPECT_FALSE(path_exists(old_ + "/.holdfast-unfinished"));
    EXPECT_FALSE(path_exists(old_ + "/.holdfast-restore.json"));
  }

  TestMariadb server_;
  MariadbShop shop_{server_};
  const std::string old_ = server_.data_directory();
  std::string wanted_;
};

TEST_F(MissingTools, AreNamedAndTheOldServerIsAsItWas) {
  expect_refused(only({}), "the restore needs mariadb-backup");
  const std::string bin = only({});
  script(bin, "mariadb-backup", "mariadb-backup based on MariaDB server 10.6.3-MariaDB");
  expect_refused(bin, "is of 10.6.3, the backup of MariaDB 10.11.");
  EXPECT_EQ(TestMariadb::on(old_).contents(), wanted_);
}

TEST_F(MissingTools, AServerOfAnotherSeriesCannotReplay) {
  const std::string bin = only({"mariadb-backup"});
  script(bin, "mariadbd", "mariadbd  Ver 11.4.2-MariaDB for debian-linux-gnu on x86_64");
  shop_.configure(server_, bin);
  expect_refused(bin, "the server on this host is 11.4.2");
  EXPECT_EQ(TestMariadb::on(old_).contents(), wanted_);
  // The backup alone needs none.
  shop_.expect(0, {"restore", "latest:shop", "--target", old_, "--overwrite", "if-changed",
                   "--delete", "--to-immediate"});
  EXPECT_EQ(TestMariadb::on(old_).sql("SELECT count(*) FROM shop.t"), "1");
}

}  // namespace
}  // namespace holdfast
