// The functions of libmariadb that are used here. For src/source/mariadb only.
#pragma once

#include <mysql.h>
// After mysql.h, whose types it uses.
#include <mariadb_rpl.h>

#include <memory>

#include "os/shared_library.h"

namespace holdfast {

inline constexpr SharedLibrary kLibmariadb{"libmariadb.so.3", "libmariadb3"};

#define HOLDFAST_MARIADB(function) HOLDFAST_LIBRARY_FUNCTION(kLibmariadb, function)

HOLDFAST_MARIADB(mariadb_free_rpl_event);
HOLDFAST_MARIADB(mariadb_rpl_close);
HOLDFAST_MARIADB(mariadb_rpl_fetch);
HOLDFAST_MARIADB(mariadb_rpl_init_ex);
HOLDFAST_MARIADB(mariadb_rpl_open);
HOLDFAST_MARIADB(mariadb_rpl_optionsv);
HOLDFAST_MARIADB(mysql_close);
HOLDFAST_MARIADB(mysql_errno);
HOLDFAST_MARIADB(mysql_error);
HOLDFAST_MARIADB(mysql_fetch_lengths);
HOLDFAST_MARIADB(mysql_fetch_row);
HOLDFAST_MARIADB(mysql_field_count);
HOLDFAST_MARIADB(mysql_free_result);
HOLDFAST_MARIADB(mysql_get_server_info);
HOLDFAST_MARIADB(mysql_get_server_version);
HOLDFAST_MARIADB(mysql_get_socket);
HOLDFAST_MARIADB(mysql_init);
HOLDFAST_MARIADB(mysql_options);
HOLDFAST_MARIADB(mysql_real_connect);
HOLDFAST_MARIADB(mysql_real_escape_string);
HOLDFAST_MARIADB(mysql_real_query);
HOLDFAST_MARIADB(mysql_server_init);
HOLDFAST_MARIADB(mysql_store_result);

#undef HOLDFAST_MARIADB

struct MariadbDeleter {
  void operator()(MYSQL_RES* rows) const { mysql_free_result(rows); }
  void operator()(MARIADB_RPL* replication) const { mariadb_rpl_close(replication); }
  void operator()(MARIADB_RPL_EVENT* event) const { mariadb_free_rpl_event(event); }
};
using MariadbRows = std::unique_ptr<MYSQL_RES, MariadbDeleter>;
using MariadbRplEvent = std::unique_ptr<MARIADB_RPL_EVENT, MariadbDeleter>;
using MariadbReplication = std::unique_ptr<MARIADB_RPL, MariadbDeleter>;

}  // namespace holdfast
