// MySQL's own server program: what a restore test of a dump of MySQL runs on.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "settings/settings.h"

namespace holdfast {

struct Mysqld {
  std::string path;
  std::string version;  // "8.0.36"
  // Of an unpacked archive: what it has to be told, since old versions look for their messages
  // where they would have been installed. Else empty.
  std::string base_directory;
};

// In bin_directory or beside it, in PATH, or where packages put it; a program of that name may be
// MariaDB's. Throws kUnsupported when there is none, with what to install.
Mysqld find_mysqld(const MariadbSettings& settings, const std::stop_token& stop);

// Lines of the configuration of a throw-away server that are MySQL's own. `options` are those of
// the source, without what this version does not know.
std::string mysqld_configuration(const Mysqld& program, const std::vector<std::string>& options);

// The files of a new server in `directory`, as make_mariadb_directory(). `options` are for it, too:
// some are set once for all time.
void make_mysql_directory(const MariadbSettings& settings, const std::string& directory,
                          const std::vector<std::string>& options, const std::stop_token& stop);

}  // namespace holdfast
