// A shop whose databases are dumped into archives, and the tools that anybody has to read them.
#pragma once

#include <string>
#include <vector>

#include "postgres/shop.h"

namespace holdfast {

// The server has the database "shop" of the role "app" with a table of 1,000 orders.
class ArchiveShop {
 public:
  ArchiveShop();

  PostgresServer& server() { return server_; }
  const Shop& shop() const { return shop_; }

  // Logical; `postgresql` and `source` are lines for those mappings.
  void configure(const std::string& postgresql, const std::string& source) const;
  // One database, as an archive alone; `more` are lines of the source.
  void configure_one(const std::string& more = "") const;

  // One backup; the archives that it made.
  std::vector<json> back_up(int code = 0) const;
  std::string path_of(const json& archive) const;  // of the object, in the directory store
  std::vector<std::string> objects() const;        // below database/, sorted

  // In another database than postgres; throws std::runtime_error.
  std::string query(const std::string& database, const std::string& sql) const;
  // A line for bash, as the user who runs all this, with PGHOST and PGUSER; fails the test when a
  // command of a pipe does.
  std::string shell(const std::string& line) const;
  // All rows of the orders as one text.
  std::string orders(const std::string& database) const;

  // A line of `postgresql`: how to reach the server.
  std::string into(const std::string& database = "") const;

 private:
  PostgresServer server_;
  Shop shop_;
};

// Where `holdfast` was told of a failure: its standard error has `part`.
void expect_says(const Outcome& outcome, const std::string& part);

}  // namespace holdfast
