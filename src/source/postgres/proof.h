// What is asked of a restored server.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "source/postgres/sandbox.h"

namespace holdfast {

// Runs pg_amcheck over all databases: heaps, and that every index points where it should; before
// 14, which has none, asks the extension amcheck of every index. Returns what was found; empty: all
// is well. The extension is installed into the sandbox. Throws kUnsupported when there is none.
std::string pg_amcheck_findings(const PgSandbox& sandbox, std::stop_token stop);

// Checks every page of a cluster that has checksums and is shut down. Returns what was found;
// empty: all is well.
std::string pg_checksum_findings(const PgSandbox& sandbox, const std::string& data_directory,
                                 std::stop_token stop);

// How to load one dump of a logical backup into a server, which the command reads from its input;
// for a directory see run_directory_load.
struct PgLoadPlan {
  std::vector<std::string> command;
  std::vector<std::pair<std::string, std::string>> environment;
  bool may_complain = false;  // roles that exist already are no failure
};
PgLoadPlan plan_pg_load(const PostgresSettings& settings, int version,
                        const std::string& stored_path);

// CREATE TABLESPACE lines of `globals` with their places inside the data directory, as a sandbox
// must not touch those of production.
std::string without_tablespace_places(const std::string& globals);

}  // namespace holdfast
