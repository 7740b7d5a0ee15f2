// The accounts, roles and rights of a MySQL server as SQL. mysqldump writes none, and its table of
// accounts is no other server's.
#pragma once

#include <string>
#include <vector>

#include "source/mariadb/connection.h"

namespace holdfast {

// For a server of the same or a later version, after its databases were loaded. Accounts that are
// there stay as they are, and get their rights. `databases`: those that will be there; rights to a
// table or routine that is in none of them are comments, since a server does not take them. Throws
// kDenied when the account of the connection may not see the others.
std::string mysql_accounts_dump(MariadbConnection& connection,
                                const std::vector<std::string>& databases);

// Of SQL that the server made, outside of quotes: where `part` begins, or npos. For tests, too.
std::size_t find_unquoted(const std::string& sql, std::string_view part, std::size_t from = 0);

}  // namespace holdfast
