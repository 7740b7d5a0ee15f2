// What wal-push and wal-fetch keep between two calls, below STATE/wal/SOURCE. All of it may go at
// any time: then work is done twice.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>

#include "cli/context.h"
#include "store/object_store.h"

namespace holdfast {

// PostgreSQL ends recovery as if the log were complete when a restore_command fails with less than
// 126, and aborts it above 125.
inline constexpr int kExitAbsent = 1;
inline constexpr int kExitAbortRecovery = 200;

// `given`, else the only source of the configuration with class database. Throws Error(kUsage)
// without one, kInvalid for what is no name.
std::string wal_source(Context& context, const std::string& given);

// A directory below STATE/wal/SOURCE, made if needed. Empty when that cannot be: a warning says so.
std::string wal_spool(Context& context, const std::string& source, const std::string& name);

// Changes whenever another file has that path, or other content. Throws when there is none.
std::string file_stamp(const std::string& path);

// The content of a small file; empty when it cannot be read.
std::string text_if_there(const std::string& path);

// The names in a directory, sorted; none when it cannot be read.
std::set<std::string> names_in(const std::string& directory);

// How many files of `size` bytes to have in work at once: more where a request costs a round trip,
// fewer when they are large.
unsigned wal_threads(const ObjectStore& store, std::uint64_t size);

// Calls work(0) to work(count - 1) in that many threads, in order, until one throws: then no more
// are begun. What work(0) threw is thrown at the end; what others threw, not.
void first_and_others(std::size_t count, unsigned threads,
                      const std::function<void(std::size_t)>& work);

}  // namespace holdfast
