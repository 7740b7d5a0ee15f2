// The time zones that a server knows by name. They are in tables of the server's own, which no dump
// of databases has; without them a session cannot ask for 'Europe/Berlin', nor can a log be applied
// whose sessions did.
#pragma once

#include <string>

#include "source/mariadb/connection.h"

namespace holdfast {

// False for a server that was never given any. Throws what the server says of the first of the
// tables that cannot be read.
bool has_named_zones(MariadbConnection& connection);

// SQL that puts them in place of those that a server has; the same zones are the same text.
std::string named_zones_dump(MariadbConnection& connection);

}  // namespace holdfast
