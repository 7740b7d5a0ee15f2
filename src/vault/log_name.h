// Names of log objects: docs/FORMAT.md, "Log objects".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast {

// Bytes `begin` to `end` (exclusive) of a file that is still being written.
struct LogPiece {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  bool operator==(const LogPiece&) const = default;
};

// One file of a database's log, or a piece of it.
struct LogName {
  std::string source;
  std::string stream;  // PostgreSQL: the system identifier, decimal
  std::string file;    // "000000010000000000000003", "00000002.history"
  std::optional<LogPiece> piece = {};

  bool operator==(const LogName&) const = default;
  std::string key() const;  // "log/db/7301234567890123456/000000010000000000000003.hfl"
  // The file that a piece belongs to.
  LogName whole() const { return {source, stream, file, {}}; }
};

// Nothing when `key` is not the key of a log object.
std::optional<LogName> parse_log_key(std::string_view key);

// Throws Error(kInvalid) for a name that no key can be made of.
void check_log_name(const LogName& name);

// What the keys of a source's log, or of one stream of it, start with.
std::string log_prefix(std::string_view source);
std::string log_prefix(std::string_view source, std::string_view stream);

}  // namespace holdfast
