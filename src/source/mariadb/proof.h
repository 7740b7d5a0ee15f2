// What is asked of a restored server.
#pragma once

#include <cstddef>
#include <stop_token>
#include <string>
#include <vector>

#include "source/mariadb/sandbox.h"
#include "source/mariadb/server.h"

namespace holdfast {

// What was looked at, and what was wrong with it: one line each; empty: all is well.
struct MariadbFindings {
  std::size_t looked_at = 0;
  std::vector<std::string> bad;
};

// CHECK TABLE ... EXTENDED of all tables, those of the server itself too: every row and that every
// index points where it should. Does not throw for what it finds, even when the server falls over a
// page; the rest is not looked at then.
MariadbFindings check_mariadb_tables(const MariadbSandbox& sandbox);

// `name` between backquotes.
std::string mariadb_identifier(const std::string& name);

// True when the tool that compares pages with their checksums is on this host.
bool has_innochecksum(const MariadbSettings& settings);
enum class MariadbPages {
  kAll,
  kOfInnodb,  // those without which nothing can be read: the system tablespace and undo
};
// Compares every page of InnoDB's files with its checksum; the server must be down. Throws
// kCancelled.
MariadbFindings check_mariadb_pages(const MariadbSettings& settings, const std::string& directory,
                                    std::stop_token stop, MariadbPages pages = MariadbPages::kAll);

// Where InnoDB itself stood in the binary log when the log was applied to `directory`, as prepared
// files say; without a file when they do not.
MariadbPosition innodb_position(const std::string& directory);

}  // namespace holdfast
