// Statements that give roles to whoever runs them, or take them. MariaDB's log does not say who
// that was: on a replica they fail, or make an account without a name and give it the roles.
// Source: mysql_grant_role() in MariaDB's sql_acl.cc, which notes no invoker.
#pragma once

#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "source/mariadb/connection.h"

namespace holdfast {

bool is_about_own_roles(std::string_view sql);

// Gives, takes or sets roles of anybody: may fail behind one of those, which it goes by.
bool is_about_roles(std::string_view sql);

// Those in the log that was placed in `received`. Throws Error(kCorrupt), kCancelled.
std::vector<std::string> statements_about_own_roles(const std::string& received,
                                                    const std::stop_token& stop);

// The account that they make; it lets everybody in.
bool has_nameless_account(MariadbConnection& connection);
void drop_nameless_account(MariadbConnection& connection);

}  // namespace holdfast
