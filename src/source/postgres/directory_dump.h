// Dumps in pg_dump's directory format, which several workers write and read. pg_dump makes the
// files itself, so they have to lie on a disk for a while; each is handed on and removed once it is
// whole, while others are being written.
#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "os/process.h"
#include "source/postgres/dump.h"

namespace holdfast {

// About how many bytes the dump of a database takes: its tables and large objects, not its indexes.
// Wide values that the server compresses come on top.
std::uint64_t pg_dump_estimate(const PostgresSettings& settings, const std::string& database,
                               std::stop_token stop);

// Throws kExhausted when `directory` has no room for a dump of `database` as estimated.
void require_space_for_dump(const PostgresSettings& settings, const std::string& database,
                            const std::string& directory, std::stop_token stop);

// Makes the dump in `directory`, which is empty and belongs to the user that pg_dump runs as.
// `take` is called, by this thread, with the name of each file in it; the file is removed after
// that. Returns only when pg_dump ended well and every file was taken. Throws what pg_dump says,
// with kExhausted when the disk is full, kCancelled, and what `take` throws.
void run_directory_dump(const PgDumpPlan& plan, const std::string& directory,
                        const std::function<void(const std::string& name)>& take,
                        std::stop_token stop);

// Loads the dump in `directory` with workers. `create`: the database that the dump names, out of
// "postgres"; else into `database`. What the program said of a failure is in the result.
ProcessResult run_directory_load(const PostgresSettings& settings, int server_version,
                                 const std::string& directory, const std::string& database,
                                 bool create, std::stop_token stop);

}  // namespace holdfast
