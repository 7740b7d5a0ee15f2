// A question of the user to a MariaDB server.
#pragma once

#include <string>
#include <vector>

#include "source/mariadb/connection.h"

namespace holdfast {

// Runs one statement that can only read; the connection can do nothing else from then on. Throws
// kInvalid when it writes.
std::vector<MariadbRow> read_mariadb(MariadbConnection& connection, const std::string& sql);

}  // namespace holdfast
