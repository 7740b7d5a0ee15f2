// The programs of MariaDB and MySQL on this host.
#pragma once

#include <stop_token>
#include <string>
#include <string_view>

#include "settings/settings.h"
#include "source/mariadb/engine.h"

namespace holdfast {

struct MariadbTool {
  std::string path;     // as it is called
  std::string version;  // of the server that it belongs to: "10.11.19"; empty: it does not say
  MariadbEngine engine = MariadbEngine::kMariadb;  // whose program it is, whatever its name
};

// Throws what starting a child throws: kNotFound when there is none.
MariadbTool find_mariadb_tool(const MariadbSettings& settings, const std::string& name,
                              std::stop_token stop);

// "10.11" of "10.11.19": what files are the same in.
std::string mariadb_series(const std::string& version);

// The last lines of what a tool said, as one.
std::string end_of_output(std::string_view said);

// Throws kUnsupported unless what a restore of files of a server of `version` needs is here: what
// prepares them, of the same series. (The server itself: require_mariadb_for().)
void require_restore_tools(const MariadbSettings& settings, const std::string& version,
                           const std::stop_token& stop);

}  // namespace holdfast
