// Events of the binary log, version 4, as MariaDB and MySQL write it.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "source/mariadb/gtid.h"

namespace holdfast {

inline constexpr std::string_view kBinlogMagic =
    "\xfe"
    "bin";
inline constexpr std::size_t kBinlogHeader = 19;
// What the largest packet of a server allows, and some room.
inline constexpr std::size_t kMaxBinlogEvent = (std::size_t{1} << 30) + (std::size_t{1} << 20);

// The types that mean something to us; others pass through.
enum class BinlogType : std::uint8_t {
  kQuery = 2,
  kStop = 3,
  kRotate = 4,
  kFormat = 15,
  kXid = 16,
  kBeginLoadQuery = 17,
  kHeartbeat = 27,
  kMysqlGtid = 33,
  kMysqlAnonymous = 34,  // a transaction without GTID
  kMysqlPreviousGtids = 35,
  kXaPrepare = 38,
  kMysqlPayload = 40,  // a whole transaction but for its GTID, compressed
  kMysqlTaggedGtid = 42,
  kGtid = 162,
  kGtidList = 163,
  kStartEncryption = 164,
  kQueryCompressed = 165,
};

inline constexpr std::uint16_t kBinlogInUse = 0x0001;       // of the active file's first event
inline constexpr std::uint16_t kBinlogArtificial = 0x0020;  // not in any file
inline constexpr std::uint16_t kBinlogIgnorable = 0x0080;   // says nothing to readers of the rest

// One event; the views are into what it was read from.
struct BinlogEvent {
  std::uint32_t time = 0;  // seconds since 1970, UTC; when its statement began
  BinlogType type{};
  std::uint32_t server = 0;
  std::uint32_t next = 0;  // the offset behind it, modulo 2^32; 0: it is in no file
  std::uint16_t flags = 0;
  ByteView whole;  // as in the file, with its checksum
  ByteView body;   // without header and checksum

  bool artificial() const { return (flags & kBinlogArtificial) != 0; }
};

// Reads `whole`, which must be exactly one event, and verifies its checksum when the log has them.
// Throws Error(kCorrupt).
BinlogEvent parse_binlog_event(ByteView whole, bool checksums);
// The same for a format event, which says itself.
BinlogEvent parse_format_event(ByteView whole);
BinlogType type_of_binlog_event(ByteView header);
// The length that the header at the start of `bytes` (at least kBinlogHeader) gives. Throws
// Error(kCorrupt) for one that cannot be.
std::size_t binlog_event_size(ByteView bytes);

// The contents of events of these types; throw Error(kCorrupt), and kUnsupported for a log that is
// not of version 4.
struct BinlogFormat {
  std::string server_version;
  std::uint32_t created = 0;  // when the server started, if this is its first file; else 0
  bool checksums = false;     // CRC-32 behind each event
};
BinlogFormat read_format(const BinlogEvent& event);

struct BinlogRotate {
  std::uint64_t offset = 0;
  std::string file;  // the next one
};
BinlogRotate read_rotate(const BinlogEvent& event);

struct BinlogGtid {
  Gtid gtid;
  bool standalone = false;  // one event follows, else all up to the commit; MySQL does not say it
};
BinlogGtid read_gtid(const BinlogEvent& event);
bool begins_transaction(const BinlogEvent& event);  // one with a GTID

// A statement in the clear.
struct BinlogQuery {
  std::string_view database;  // its session's
  std::string_view statement;
};
BinlogQuery read_query(const BinlogEvent& event);

// What a file says at its beginning of the log before it.
bool states_position(const BinlogEvent& event);
GtidPosition read_stated_position(const BinlogEvent& event);

// True for an event that ends the transaction it is in.
bool ends_transaction(const BinlogEvent& event);
// True for a statement behind which its transaction goes on: "BEGIN", "XA START ...".
bool opens_block(const BinlogEvent& event);

}  // namespace holdfast
