// What dumps a MySQL server and what loads a dump into one: MySQL's own programs, where they are.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "source/mariadb/dump.h"
#include "source/mariadb/tools.h"

namespace holdfast {

// 80036 of "8.0.36"; 0 of what is no version.
unsigned version_number(const std::string& version);

// mysqldump of MySQL; where there is none, or one that is MariaDB's under that name, mariadb-dump
// for servers that it can dump. Throws kUnsupported, with what to install.
MariadbTool find_mysql_dump(const MariadbSettings& settings, const MariadbServer& server,
                            const std::stop_token& stop);

// How `tool` dumps `databases` in one snapshot. `named`: the dump makes the databases and goes into
// each.
MariadbDumpPlan plan_mysql_dump(const MariadbSettings& settings, const MariadbServer& server,
                                const MariadbTool& tool, const std::vector<std::string>& databases,
                                bool named);

// The program that loads dumps into a server of `engine`, as it is called: of MySQL its own
// "mysql", else "mariadb".
std::string client_program(const MariadbSettings& settings, MariadbEngine engine,
                           const std::stop_token& stop);

// MySQL's program `name`; nothing when there is none, or only MariaDB's under that name.
std::optional<MariadbTool> find_mysql_tool(const MariadbSettings& settings, const std::string& name,
                                           const std::stop_token& stop);

}  // namespace holdfast
