// A MariaDB server that is protected: one source of class database, a vault, and the program under
// test.
#pragma once

#include <string>
#include <vector>

#include "postgres/shop.h"
#include "support/mariadb_server.h"

namespace holdfast {

class MariadbShop {
 public:
  // With source "shop" for `settings`; `yaml` is added to that source: "    assertions: ...\n".
  explicit MariadbShop(const MariadbSettings& settings, const std::string& yaml = "");

  // Writes the configuration anew.
  void configure(const MariadbSettings& settings, const std::string& yaml = "") const;

  std::string operator/(const std::string& name) const { return place_ / name; }
  const std::string& path() const { return place_.path(); }

  // Fails the test when the exit code is another one than `code`. The program runs with TZ set to
  // `time_zone`.
  Outcome expect(int code, const std::vector<std::string>& words) const;
  json expect_json(int code, std::vector<std::string> words) const;
  Background start(const std::string& name, const std::vector<std::string>& words) const;
  std::vector<std::string> command(const std::vector<std::string>& words) const;

  // holdfast stream, once it receives.
  Background stream() const;
  // Until the vault has everything that `server` has committed.
  void wait_until_durable(const TestMariadb& server, Background& stream) const;

  json back_up() const;
  json backups() const;
  // validate restore latest:shop, below "scratch" here.
  json validate(int code) const;
  std::vector<std::string> validation() const;
  // The names of the steps that failed, in order.
  static std::string failed_steps(const json& result);
  // Neither a directory nor a process that was in it.
  void expect_nothing_left() const;

  // A tool of ours in place of `program`: a script that may use the real one.
  MariadbSettings with_tool(MariadbSettings settings, const std::string& program,
                            const std::string& script) const;

  std::string time_zone = "UTC";

 private:
  TempDir place_;
};

}  // namespace holdfast
