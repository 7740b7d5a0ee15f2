// A MariaDB server that is protected: one source of class database, a vault, and the program.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "support/background.h"
#include "support/mariadb_server.h"
#include "support/temp_dir.h"

namespace holdfast {

using nlohmann::json;

class MariadbShop {
 public:
  // With source "shop" for `server`, which need not run.
  explicit MariadbShop(const TestMariadb& server);
  // `bin`: where its programs are, instead of PATH.
  void configure(const TestMariadb& server, const std::string& bin = "") const;

  std::string operator/(const std::string& name) const { return place_ / name; }

  Outcome run(const std::vector<std::string>& words,
              const std::vector<std::pair<std::string, std::string>>& environment = {}) const;
  // Fails the test when the exit code is another one than `code`.
  Outcome expect(int code, const std::vector<std::string>& words) const;
  // expect() with --json, parsed.
  json expect_json(int code, std::vector<std::string> words) const;
  // In the background; what it says goes to the file `name` here.
  Background start(const std::string& name, const std::vector<std::string>& words) const;
  // holdfast stream, once it receives.
  Background stream(const std::vector<std::string>& words = {}) const;
  std::vector<std::string> command(const std::vector<std::string>& words) const;

  void back_up() const;
  // Restores the newest backup into the directory `name` here, and returns its path.
  std::string restore(const std::string& name, const std::vector<std::string>& words = {},
                      int code = 0) const;

  // What the stream says of itself in its state file.
  json status() const;
  // Until the vault has everything that `server` has committed; throws std::runtime_error after a
  // minute.
  void wait_until_durable(const TestMariadb& server) const;
  // Until `done` says so; throws std::runtime_error with what `stream` said after a minute.
  void await(const Background& stream, const std::function<bool()>& done) const;
  // Adds "west", a copy beside the vault, to the configuration, and `of_source`, lines of its
  // source; makes a backup and copies it.
  void add_west(const std::string& of_source = "") const;
  // The keys of the log below the vault, sorted.
  std::vector<std::string> log_keys() const;

 private:
  TempDir place_;
};

}  // namespace holdfast
