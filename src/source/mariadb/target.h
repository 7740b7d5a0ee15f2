// A server that somebody names on a command line.
#pragma once

#include <string>

#include "settings/settings.h"

namespace holdfast {

struct MariadbTarget {
  MariadbSettings settings;
  std::string database;  // empty: none was named
};

// "socket=/run/mysqld/mysqld.sock user=root dbname=shop": host, port, socket, user, defaults_file
// and dbname, over `base`. Naming a server forgets the one of `base`, but not its tools. Throws
// kUsage.
MariadbTarget parse_mariadb_target(const std::string& text, const MariadbSettings& base);

}  // namespace holdfast
