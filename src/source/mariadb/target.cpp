#include "source/mariadb/target.h"

#include <charconv>
#include <sstream>

#include "base/error.h"
#include "base/human.h"

namespace holdfast {
namespace {

constexpr const char* kForm =
    "write it as 'host=db1 port=3306 user=root dbname=shop', or "
    "'socket=/run/mysqld/mysqld.sock defaults_file=/etc/mysql/root.cnf'";

void set(MariadbTarget& target, const std::string& key, const std::string& value) {
  MariadbSettings& settings = target.settings;
  if (key == "host") {
    settings.host = value;
  } else if (key == "socket") {
    settings.socket = value;
  } else if (key == "user") {
    settings.user = value;
  } else if (key == "defaults_file") {
    settings.defaults_file = value;
  } else if (key == "dbname") {
    target.database = value;
  } else if (key == "port") {
    const auto [end, failed] =
        std::from_chars(value.data(), value.data() + value.size(), settings.port);
    if (failed == std::errc{} && end == value.data() + value.size()) return;
    throw Error(Code::kUsage, "'" + printable(value) + "' is no port", kForm);
  } else {
    throw Error(Code::kUsage, "'" + printable(key) + "' says nothing about a MariaDB server",
                kForm);
  }
}

}  // namespace

MariadbTarget parse_mariadb_target(const std::string& text, const MariadbSettings& base) {
  MariadbTarget target;
  target.settings.bin_directory = base.bin_directory;
  target.settings.system_user = base.system_user;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos || equals + 1 == word.size()) {
      throw Error(Code::kUsage, "'" + printable(word) + "' is not KEY=VALUE", kForm);
    }
    set(target, word.substr(0, equals), word.substr(equals + 1));
  }
  return target;
}

}  // namespace holdfast
