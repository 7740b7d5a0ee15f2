// A server at work, and what is to be expected of one that came out of a backup.
#pragma once

#include <string>
#include <thread>

#include "support/postgres_server.h"

namespace holdfast {

// Small segments and few buffers: pages are written all the time.
PostgresOptions busy();

// Creates, fills and drops tables until it ends.
class Churn {
 public:
  explicit Churn(const PostgresServer& server);

 private:
  std::jthread thread_;
};

// pg_amcheck and, after the server's end, every page's checksum.
void expect_sound(PostgresServer& server);

// Where the backup ended, as the restored server says.
std::string end_of_backup(const PostgresServer& restored);

std::string path_of(const PostgresServer& server, const std::string& table);

}  // namespace holdfast
