#include "source/mariadb/question.h"

#include <mysqld_error.h>

#include "source/mariadb/libmariadb.h"

namespace holdfast {

std::vector<MariadbRow> read_mariadb(MariadbConnection& connection, const std::string& sql) {
  // Also for what a procedure begins after it has ended this transaction.
  connection.query("SET SESSION TRANSACTION READ ONLY");
  connection.query("START TRANSACTION READ ONLY");
  try {
    return connection.query(sql);
  } catch (const Error& error) {
    if (mysql_errno(connection.handle()) != ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION) throw;
    throw Error(Code::kInvalid, "it may only read, and it writes: " + error.message(),
                "ask with a SELECT that changes nothing");
  }
}

}  // namespace holdfast
