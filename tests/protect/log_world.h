// A vault with backups of one PostgreSQL server and its log, made without a server.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "protect/log_archive.h"
#include "protect/log_retention.h"
#include "protect/world.h"
#include "source/postgres/lsn.h"

namespace holdfast::test {

inline constexpr std::uint32_t kSegment = 1u << 20;
inline constexpr const char* kSource = "db";
inline constexpr const char* kSystem = "7777";

LogName log_file(const std::string& file, const std::string& stream = kSystem);
LogName log_segment(std::uint64_t number, std::uint32_t timeline = 1,
                    const std::string& stream = kSystem);
LogName log_piece(const LogName& whole, std::uint32_t begin, std::uint32_t end);

// A segment as a server writes it: a few commits, then zeros.
Bytes wal_content(std::uint64_t number, std::uint32_t timeline = 1);
// With the facts that a receiver gives.
void store_segment(const Vault& vault, std::uint64_t number, std::uint32_t timeline = 1,
                   const std::string& stream = kSystem);
void store_segment(const Vault& vault, std::uint64_t number, ByteView content,
                   std::uint32_t timeline = 1, const std::string& stream = kSystem);
void store_segments(const Vault& vault, std::uint64_t first, std::uint64_t last,
                    std::uint32_t timeline = 1, const std::string& stream = kSystem);
void store_piece(const Vault& vault, std::uint64_t number, std::uint32_t begin, std::uint32_t end,
                 std::uint32_t timeline = 1);
// That of `timeline`, which left `parent` in the middle of segment `number`.
void store_history(const Vault& vault, std::uint32_t timeline, std::uint32_t parent,
                   std::uint64_t number);

// A physical backup that ends in segment `number`, consistent at `vault`'s present time, and holds
// that as `segment`, when it is given.
BackupName store_database(const Vault& vault, std::uint64_t number, std::uint32_t timeline = 1,
                          const std::string& system = kSystem, const Bytes& segment = {});

// The same of any server; `files` by their paths.
BackupName store_database(const Vault& vault, const DatabaseFacts& facts,
                          const std::map<std::string, Bytes>& files = {});

// A minute of `clock` passes before each backup, and before the log's retention.
LogRetentionResult retain_now(const Vault& vault, const LogPolicy& policy = {},
                              Duration grace = Duration{});

// "1:3" for segment 3 of timeline 1, "1:3[0-5]" for a piece, else the file's name; in the order of
// the keys.
std::vector<std::string> log_of(ObjectStore& store, const std::string& stream = kSystem);
std::string names_of(const std::vector<LogRemoval>& removals);

// How far the log leads from the backup, as segments: "5-9", with "!" when it is interrupted; ""
// when not at all.
std::string reach_of(const Vault& vault, const BackupName& backup);

}  // namespace holdfast::test
