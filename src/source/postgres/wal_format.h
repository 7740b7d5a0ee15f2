// How PostgreSQL 13 to 18 lay out the write-ahead log, all numbers little-endian.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "source/postgres/lsn.h"

namespace holdfast {

// The first two bytes of each page; XLOG_PAGE_MAGIC in src/include/access/xlog_internal.h of the
// branch named.
struct WalVersion {
  std::uint16_t magic = 0;
  int major = 0;
};
inline constexpr std::array<WalVersion, 6> kWalVersions = {{
    {0xd106, 13},  // REL_13_STABLE
    {0xd10d, 14},  // REL_14_STABLE
    {0xd110, 15},  // REL_15_STABLE
    {0xd113, 16},  // REL_16_STABLE
    {0xd116, 17},  // REL_17_STABLE
    {0xd118, 18},  // REL_18_STABLE
}};
// PostgreSQL's major version, or nothing for an unknown magic.
std::optional<int> wal_major_version(std::uint16_t magic);

// Page headers (xlog_internal.h), with padding. The first page of a segment has the long one.
inline constexpr std::size_t kShortPageHeader = 24;
inline constexpr std::size_t kLongPageHeader = 40;
inline constexpr std::uint16_t kPageContinues = 0x0001;   // begins with the rest of a record ...
inline constexpr std::uint16_t kPageLongHeader = 0x0002;  // has the long header
inline constexpr std::uint16_t kPageRemovable = 0x0004;   // no backup ran; of no use to us
inline constexpr std::uint16_t kPageOverwrites = 0x0008;  // ... or in place of the rest of one
inline constexpr std::uint16_t kPageFlags = 0x000f;

struct WalPageHeader {
  std::uint16_t magic = 0;
  std::uint16_t flags = 0;
  std::uint32_t timeline = 0;
  Lsn address = 0;
  std::uint32_t rest = 0;  // bytes of the record that goes on here
  // Of the long header.
  std::uint64_t system_id = 0;
  std::uint32_t segment_size = 0;
  std::uint32_t page_size = 0;

  bool has(std::uint16_t flag) const { return (flags & flag) != 0; }
};
// `bytes` has one of the two sizes.
WalPageHeader parse_page_header(ByteView bytes);

// Powers of two between 1 MiB and 1 GiB.
bool is_segment_size(std::uint32_t size);
// Powers of two between 4 KiB and 64 KiB.
bool is_wal_page_size(std::uint32_t size);

// Records (xlogrecord.h) begin at multiples of eight.
inline constexpr std::size_t kRecordHeader = 24;
inline constexpr std::uint32_t kMaxRecord = std::uint32_t{1} << 30;
constexpr Lsn align_lsn(Lsn lsn) { return (lsn + 7) & ~Lsn{7}; }

struct WalRecordHeader {
  std::uint32_t total_length = 0;
  std::uint32_t xid = 0;
  Lsn previous = 0;
  std::uint8_t info = 0;
  std::uint8_t rmid = 0;
  std::uint32_t crc = 0;
};
// `bytes` has kRecordHeader bytes.
WalRecordHeader parse_record_header(ByteView bytes);
// The checksum that belongs into the header, from the one of the bytes after it.
std::uint32_t record_crc(std::uint32_t payload_crc, ByteView header);

// The bytes after the header begin with headers of blocks and data; no more than this many.
inline constexpr std::size_t kMaxDataHeaders = 1024;
// What the headers at the start of `payload` say: their own size, that of the blocks' data, and
// that of the main data, which ends the record.
struct WalDataHeaders {
  std::size_t size = 0;
  std::uint64_t block_data = 0;
  std::uint32_t main_length = 0;
};
// `payload_length` is that of the whole record, of which `payload` may be the first part. Nothing
// when the headers are malformed, or longer than `payload`.
std::optional<WalDataHeaders> parse_data_headers(ByteView payload, std::uint64_t payload_length,
                                                 int major);

// Resource managers (rmgrlist.h) and what they log (pg_control.h, xact.h) as far as we look at it.
inline constexpr std::uint8_t kRmXlog = 0;
inline constexpr std::uint8_t kRmXact = 1;
inline constexpr std::uint8_t kXlogShutdownCheckpoint = 0x00;
inline constexpr std::uint8_t kXlogOnlineCheckpoint = 0x10;
inline constexpr std::uint8_t kXlogSwitch = 0x40;
inline constexpr std::uint8_t kXlogParameterChange = 0x60;
inline constexpr std::uint8_t kXlogRestorePoint = 0x70;
inline constexpr std::uint8_t kXlogEndOfRecovery = 0x90;
inline constexpr std::uint8_t kXlogOperation = 0xf0;  // mask
inline constexpr std::uint8_t kXactCommit = 0x00;
inline constexpr std::uint8_t kXactAbort = 0x20;
inline constexpr std::uint8_t kXactCommitPrepared = 0x30;
inline constexpr std::uint8_t kXactAbortPrepared = 0x40;
inline constexpr std::uint8_t kXactOperation = 0x70;  // mask
inline constexpr std::uint8_t kXactHasInfo = 0x80;

}  // namespace holdfast
