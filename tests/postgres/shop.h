// A server that is protected: one source of class database, a vault, and the program under test.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "support/background.h"
#include "support/postgres_server.h"

namespace holdfast {

using nlohmann::json;

// A vault that is not in the shop's own directory.
struct ShopVault {
  std::string url;
  std::string yaml;  // how to reach it: "stores: ...\n"
};

// The program runs as the user of the tests; a server that root starts is the user postgres's.
class Shop {
 public:
  // With source "shop" for `server`, which need not run; `yaml` is added to that source:
  // "    assertions: ...\n".
  explicit Shop(const PostgresServer& server, const std::string& yaml = "", ShopVault vault = {});

  // Writes the configuration anew; `postgresql` goes under that key.
  void configure(const std::string& postgresql, const std::string& yaml = "") const;
  // The lines of `postgresql` for `server`, with `more` of the connection.
  static std::string connection(const PostgresServer& server, const std::string& more = "");

  std::string operator/(const std::string& name) const { return place_ / name; }

  Outcome run(const std::vector<std::string>& words) const;
  // Fails the test when the exit code is another one than `code`.
  Outcome expect(int code, const std::vector<std::string>& words) const;
  // expect() with --json, parsed.
  json expect_json(int code, std::vector<std::string> words) const;
  // In the background; what it says goes to the file `name` here.
  Background start(const std::string& name, const std::vector<std::string>& words) const;
  std::vector<std::string> command(const std::vector<std::string>& words) const;
  // The same in one line, for a server's setting.
  std::string line(const std::vector<std::string>& words) const;

  // The document of one backup of the source: id, added_bytes, ...
  json back_up() const;
  json backups() const;
  // Restores the newest backup into the data directory of `server`; `words` are more options.
  Outcome restore(const PostgresServer& server, const std::vector<std::string>& words = {},
                  int code = 0) const;

  // The stored paths of a backup, directories too.
  std::vector<std::string> files(const std::string& backup) const;

  // The segments of the vault's log, whole or in pieces, oldest first; and the objects of one.
  std::vector<std::string> log_segments() const;
  std::vector<std::string> log_objects(const std::string& segment) const;

  void take_vault_away() const;
  void bring_vault_back() const;

 private:
  TempDir place_;
  ShopVault vault_;
};

// On a directory that a restore filled: this server's socket, and nothing of the old one's archive.
void start_restored(PostgresServer& server);
// The ids in the table t, as the newest backup gives them restored with `words`.
std::string restored_ids(const Shop& shop, const std::vector<std::string>& words, int code = 0);

}  // namespace holdfast
