#include "source/postgres/wal_file.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <utility>

#include "base/error.h"
#include "base/wire.h"
#include "os/file.h"

namespace holdfast {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::uint16_t kLongHeader = 2;  // XLP_LONG_HEADER
constexpr std::uint16_t kKnownFlags = 15;
constexpr std::size_t kSegmentDigits = 24;
constexpr std::string_view kMinimalMark = ".minimal";

// XLOG_PAGE_MAGIC of each version.
constexpr std::pair<std::uint16_t, unsigned> kMagics[] = {{0xD106, 13}, {0xD10D, 14}, {0xD110, 15},
                                                          {0xD113, 16}, {0xD116, 17}, {0xD118, 18}};

bool is_hex(std::string_view text, std::size_t size) {
  return text.size() == size && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
         });
}

std::uint32_t hex_value(std::string_view digits) {
  std::uint32_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  return value;
}

// Segments in 4 GiB of log: what the middle eight digits count.
std::uint64_t segments_per_log(std::uint32_t segment_size) {
  return (std::uint64_t{1} << 32) / segment_size;
}

Error not_a_segment(const std::string& why) {
  return {Code::kCorrupt, "it is not a WAL segment: " + why,
          "only files of pg_wal that PostgreSQL has finished can be archived"};
}

}  // namespace

bool is_wal_segment_size(std::uint64_t size) {
  return std::has_single_bit(size) && size >= kMinWalSegmentSize && size <= kMaxWalSegmentSize;
}

std::string WalSegment::name(std::uint32_t segment_size) const {
  const std::uint64_t per_log = segments_per_log(segment_size);
  return fmt::format("{:08X}{:08X}{:08X}", timeline, number / per_log, number % per_log);
}

std::optional<WalFileKind> wal_file_kind(std::string_view name) {
  if (is_hex(name, kSegmentDigits)) return WalFileKind::kSegment;
  if (name.ends_with(".history") && is_hex(name.substr(0, name.size() - 8), 8)) {
    return WalFileKind::kHistory;
  }
  if (name.size() < kSegmentDigits || !is_hex(name.substr(0, kSegmentDigits), kSegmentDigits)) {
    return std::nullopt;
  }
  const std::string_view rest = name.substr(kSegmentDigits);
  if (rest == ".partial") return WalFileKind::kPartial;
  const bool backup = rest.size() == 1 + 8 + 7 && rest[0] == '.' && is_hex(rest.substr(1, 8), 8) &&
                      rest.ends_with(".backup");
  return backup ? std::optional(WalFileKind::kBackup) : std::nullopt;
}

std::string level_drop_mark(const WalSegment& segment, Lsn record, std::uint32_t segment_size) {
  return fmt::format("{}.{:08X}{}", segment.name(segment_size), record % segment_size,
                     kMinimalMark);
}

std::optional<LevelDropMark> parse_level_drop_mark(std::string_view name) {
  if (name.size() != kSegmentDigits + 1 + 8 + kMinimalMark.size()) return std::nullopt;
  const std::string_view segment = name.substr(0, kSegmentDigits);
  const std::string_view offset = name.substr(kSegmentDigits + 1, 8);
  const bool mark = is_hex(segment, kSegmentDigits) && name[kSegmentDigits] == '.' &&
                    is_hex(offset, 8) && name.ends_with(kMinimalMark);
  if (!mark) return std::nullopt;
  return LevelDropMark{std::string(segment), hex_value(offset)};
}

std::optional<WalSegment> parse_wal_segment(std::string_view name, std::uint32_t segment_size) {
  if (!is_hex(name, kSegmentDigits) || !is_wal_segment_size(segment_size)) return std::nullopt;
  const std::uint64_t per_log = segments_per_log(segment_size);
  const std::uint32_t low = hex_value(name.substr(16));
  if (low >= per_log) return std::nullopt;
  return WalSegment{hex_value(name.substr(0, 8)), hex_value(name.substr(8, 8)) * per_log + low};
}

std::optional<std::uint32_t> wal_timeline(std::string_view name) {
  if (!wal_file_kind(name)) return std::nullopt;
  return hex_value(name.substr(0, 8));
}

// XLogLongPageHeaderData of access/xlog_internal.h; the same in all versions.
WalHeader parse_wal_header(ByteView start) {
  if (start.size() < kWalHeaderSize) throw not_a_segment("it is too short");
  WireReader in(start);
  WalHeader header;
  header.magic = in.fixed<std::uint16_t>();
  const auto flags = in.fixed<std::uint16_t>();
  header.timeline = in.fixed<std::uint32_t>();
  header.start = in.fixed<std::uint64_t>();
  in.raw(8);  // what is left of the record from the page before, and padding
  header.system_identifier = in.fixed<std::uint64_t>();
  header.segment_size = in.fixed<std::uint32_t>();
  header.block_size = in.fixed<std::uint32_t>();
  const bool sane = (header.magic >> 8) == 0xD1 && (flags & kLongHeader) != 0 &&
                    (flags & ~kKnownFlags) == 0 && header.timeline != 0 &&
                    header.system_identifier != 0 && is_wal_segment_size(header.segment_size) &&
                    header.start % header.segment_size == 0 &&
                    std::has_single_bit(header.block_size);
  if (!sane) throw not_a_segment("its header makes no sense");
  for (const auto& [magic, version] : kMagics) {
    if (magic == header.magic) header.version = version;
  }
  return header;
}

WalHeader read_wal_header(const std::string& path) {
  std::uint8_t start[kWalHeaderSize];
  const Fd fd = open_file(path, O_RDONLY);
  const std::size_t size = read_full(fd.get(), start, path);
  try {
    return parse_wal_header(ByteView(start, size));
  } catch (Error& error) {
    throw error.add_context(path);
  }
}

std::uint64_t read_system_identifier(const std::string& data_directory) {
  const std::string path = data_directory + "/global/pg_control";
  std::uint8_t start[8];
  const Fd fd = open_file(path, O_RDONLY);
  if (read_full(fd.get(), start, path) < sizeof start) {
    throw Error(Code::kCorrupt, path + " is cut off", "is that the data directory of a server?");
  }
  WireReader in(start);
  const auto identifier = in.fixed<std::uint64_t>();
  if (identifier == 0) throw Error(Code::kCorrupt, path + " has no system identifier");
  return identifier;
}

// u64 system identifier | u32 version of the format | u32 of the catalogs (pg_control.h)
std::uint32_t catalog_version_of(ByteView control) {
  WireReader in(control);
  in.raw(12);
  return in.fixed<std::uint32_t>();
}

}  // namespace holdfast
