// Files of PostgreSQL's write-ahead log (WAL), versions 13 to 18: their names, and the beginning of
// a segment. Numbers in files are in the byte order of the server's machine; ours has to be the
// same, little-endian.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "source/postgres/lsn.h"

namespace holdfast {

inline constexpr std::uint32_t kWalSegmentSize = 16u << 20;  // unless initdb was told otherwise
inline constexpr std::uint32_t kMinWalSegmentSize = 1u << 20;
inline constexpr std::uint32_t kMaxWalSegmentSize = 1u << 30;

// A power of two from 1 MiB to 1 GiB.
bool is_wal_segment_size(std::uint64_t size);

// A segment by its timeline and its number in it: byte 0 of the log is in segment 0.
struct WalSegment {
  std::uint32_t timeline = 0;
  std::uint64_t number = 0;
  auto operator<=>(const WalSegment&) const = default;

  WalSegment next() const { return {timeline, number + 1}; }
  // `segment_size` is valid, see above.
  Lsn start(std::uint32_t segment_size) const { return number * segment_size; }
  std::string name(std::uint32_t segment_size) const;  // "000000010000000000000003"
};

enum class WalFileKind {
  kSegment,  // TTTTTTTTXXXXXXXXYYYYYYYY, 24 upper-case hexadecimal digits
  kPartial,  // the same with ".partial": the last one of a timeline that was left
  kHistory,  // TTTTTTTT.history: where the timeline comes from
  kBackup,   // SEGMENT.OFFSET.backup: a backup started there
};

// What PostgreSQL hands to an archive command; nothing for any other name.
std::optional<WalFileKind> wal_file_kind(std::string_view name);

// SEGMENT.OFFSET.minimal: not PostgreSQL's, but Holdfast's mark beside a segment of which the
// record at OFFSET says that the server goes on with wal_level = minimal. A listing shows it.
std::string level_drop_mark(const WalSegment& segment, Lsn record, std::uint32_t segment_size);
struct LevelDropMark {
  std::string segment;
  std::uint32_t offset = 0;
};
std::optional<LevelDropMark> parse_level_drop_mark(std::string_view name);

// Nothing when `name` is not the name of a segment, or of one that no server with segments of this
// size writes.
std::optional<WalSegment> parse_wal_segment(std::string_view name, std::uint32_t segment_size);

// The timeline in the first 8 digits of any of the names.
std::optional<std::uint32_t> wal_timeline(std::string_view name);

// The long header that every segment starts with.
inline constexpr std::size_t kWalHeaderSize = 40;
struct WalHeader {
  std::uint16_t magic = 0;
  std::optional<unsigned> version;  // of the server, 13..18; nothing for an unknown magic
  std::uint32_t timeline = 0;       // of the page; older than the file's just behind a switch
  Lsn start = 0;
  std::uint64_t system_identifier = 0;
  std::uint32_t segment_size = 0;
  std::uint32_t block_size = 0;
};
// From the first kWalHeaderSize bytes at least. Throws Error(kCorrupt) when it is no such header.
WalHeader parse_wal_header(ByteView start);
WalHeader read_wal_header(const std::string& path);

// From global/pg_control of a data directory. Throws Error(kNotFound) when there is none,
// kCorrupt when it is cut off.
std::uint64_t read_system_identifier(const std::string& data_directory);

// Of the content of such a file: the version of the catalogs, as in the names of the parts that
// clusters have in places of tablespaces. Throws Error(kCorrupt) when it is cut off.
std::uint32_t catalog_version_of(ByteView control);

}  // namespace holdfast
