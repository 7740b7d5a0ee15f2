#include "mariadb_proof/mysql_log.h"

#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "os/clock.h"
#include "os/file.h"
#include "source/mariadb/gtid.h"
#include "source/mariadb/mysql_tools.h"

namespace holdfast {

namespace fs = std::filesystem;

void MysqlLog::SetUp() {
  if (const auto missing = mysql_missing(GetParam())) GTEST_SKIP() << *missing;
  server_ = std::make_unique<TestMysql>(GetParam());
  server_->run({"CREATE DATABASE shop", "CREATE DATABASE o_ther",
                "CREATE TABLE shop.orders (id INT PRIMARY KEY, v VARCHAR(200)) ENGINE=InnoDB",
                "CREATE TABLE o_ther.t (id INT PRIMARY KEY) ENGINE=InnoDB"});
  shop_ = std::make_unique<MariadbShop>(server_->settings());
  configure(server_->settings());
  // The server's user must reach what is restored here.
  fs::permissions(shop_->path(), fs::perms(0755));
}

void MysqlLog::configure(const MariadbSettings& settings, const std::string& more,
                         const std::string& yaml) const {
  std::ofstream out(*shop_ / "holdfast.yaml");
  out << "state_dir: " << *shop_ / "state"
      << "\ncache_dir: " << *shop_ / "cache"
      << "\nsources:\n  - name: shop\n    class: database\n    mysql: {defaults_file: "
      << settings.defaults_file << ", socket: " << settings.socket << ", user: " << settings.user
      << ", bin_directory: " << settings.bin_directory << more << "}\n"
      << yaml;
}

MariadbSettings MysqlLog::with_client(const std::string& script) const {
  MariadbSettings settings = server_->settings();
  const fs::path real = client_program(settings, MariadbEngine::kMysql, {});
  settings.bin_directory = *shop_ / "bin";
  fs::create_directory(settings.bin_directory);
  for (const auto& program : fs::directory_iterator(server_->settings().bin_directory)) {
    const fs::path name = program.path().filename();
    if (name != real.filename()) fs::create_symlink(program.path(), settings.bin_directory / name);
  }
  const fs::path share = server_->settings().bin_directory + "/../share";
  if (fs::exists(share)) fs::create_directory_symlink(share, *shop_ / "share");
  write_file_atomic(settings.bin_directory / real.filename(),
                    as_bytes("#!/bin/sh\nreal=" + real.string() +
                             "\n[ \"$1\" = --version ] && exec \"$real\" --version\n" + script),
                    0755);
  return settings;
}

void MysqlLog::commit(int id, int second) const {
  const std::string insert =
      "INSERT INTO shop.orders VALUES (" + std::to_string(id) + ", REPEAT('x', 100))";
  if (second == 0) {
    server_->run({insert});
  } else {
    server_->run({"SET SESSION timestamp = " + std::to_string(second), insert});
  }
}

Background MysqlLog::stream(const std::vector<std::string>& words) {
  // What another one has said of itself.
  fs::remove(*shop_ / "state/stream/shop.json");
  std::vector<std::string> all = {"stream", "shop", "--interval", "20ms"};
  all.insert(all.end(), words.begin(), words.end());
  Background stream = shop_->start("stream" + std::to_string(++streams_) + ".log", all);
  stream.wait_for("receiving from");
  return stream;
}

void MysqlLog::wait_until_durable(Background& stream) const {
  const GtidPosition wanted(executed());
  const std::string file = *shop_ / "state/stream/shop.json";
  const Duration end = system_clock().monotonic() + std::chrono::minutes{1};
  while (system_clock().monotonic() < end) {
    if (path_exists(file)) {
      const json status = json::parse(as_text(read_file(file)));
      if (GtidPosition(status.value("durable_gtid", "")).contains(wanted)) return;
    }
    if (!stream.running()) throw std::runtime_error("the stream ended:\n" + stream.said());
    system_clock().sleep_for(std::chrono::milliseconds{20}, {});
  }
  throw std::runtime_error("the vault stays behind:\n" + stream.said());
}

std::string MysqlLog::restore(const std::string& name, std::vector<std::string> words) const {
  words.insert(words.begin(), {"restore", "latest:shop", "--target", *shop_ / name});
  const json done = shop_->expect_json(0, words);
  EXPECT_TRUE(fs::exists(*shop_ / name + "/ibdata1"));
  EXPECT_FALSE(fs::exists(*shop_ / name + "/.holdfast-unfinished"));
  restored_gtid_ = done.at("gtid").get<std::string>();
  return *shop_ / name;
}

std::string MysqlLog::contents(const TestMysql& server) {
  return server.rows("SELECT * FROM shop.orders ORDER BY id") +
         server.rows("SELECT * FROM o_ther.t ORDER BY id") +
         server.rows(
             "SELECT table_schema, table_name FROM information_schema.tables WHERE "
             "table_schema IN ('shop', 'o_ther') ORDER BY 1, 2");
}

}  // namespace holdfast
