#include "source/mariadb/binlog_event.h"

#include <zlib.h>

#include "base/error.h"
#include "base/wire.h"
#include "source/mariadb/mysql_event.h"

namespace holdfast {
namespace {

constexpr std::size_t kChecksum = 4;
constexpr std::uint16_t kVersion = 4;
constexpr std::size_t kServerVersion = 50;
constexpr std::uint8_t kCrc32 = 1;
constexpr std::size_t kFlagsAt = 17;
constexpr std::uint8_t kStandalone = 0x01;
constexpr std::uint32_t kCountMask = 0x0fffffff;
constexpr std::size_t kListedGtid = 16;

[[noreturn]] void fail(const char* reason) {
  throw Error(Code::kCorrupt, std::string("the binary log is damaged: ") + reason);
}

std::uint32_t crc(ByteView bytes) {
  return static_cast<std::uint32_t>(::crc32_z(0, bytes.data(), bytes.size()));
}

// The server computes the checksum of a file's first event before it marks the file as in use.
std::uint32_t checksum_of(ByteView content, const BinlogEvent& event) {
  if (event.type != BinlogType::kFormat || (event.flags & kBinlogInUse) == 0) return crc(content);
  Bytes header = to_bytes(content.first(kBinlogHeader));
  header[kFlagsAt] = static_cast<std::uint8_t>(header[kFlagsAt] & ~kBinlogInUse);
  const ByteView rest = content.subspan(kBinlogHeader);
  return static_cast<std::uint32_t>(::crc32_z(crc(header), rest.data(), rest.size()));
}

}  // namespace

BinlogType type_of_binlog_event(ByteView header) {
  constexpr std::size_t kTypeAt = 4;
  return static_cast<BinlogType>(header[kTypeAt]);
}

std::size_t binlog_event_size(ByteView bytes) {
  WireReader in(bytes.first(kBinlogHeader));
  in.raw(9);
  const std::size_t size = in.fixed<std::uint32_t>();
  if (size < kBinlogHeader || size > kMaxBinlogEvent) fail("an event has an impossible length");
  return size;
}

BinlogEvent parse_binlog_event(ByteView whole, bool checksums) {
  if (whole.size() < kBinlogHeader || binlog_event_size(whole) != whole.size()) {
    fail("an event has another length than it says");
  }
  WireReader in(whole);
  BinlogEvent event;
  event.whole = whole;
  event.time = in.fixed<std::uint32_t>();
  event.type = static_cast<BinlogType>(in.fixed<std::uint8_t>());
  event.server = in.fixed<std::uint32_t>();
  in.fixed<std::uint32_t>();
  event.next = in.fixed<std::uint32_t>();
  event.flags = in.fixed<std::uint16_t>();
  event.body = whole.subspan(kBinlogHeader);
  if (!checksums) return event;
  if (event.body.size() < kChecksum) fail("an event has no checksum");
  event.body = event.body.first(event.body.size() - kChecksum);
  const ByteView content = whole.first(whole.size() - kChecksum);
  WireReader end(whole.subspan(content.size()));
  if (end.fixed<std::uint32_t>() != checksum_of(content, event)) {
    fail("the checksum of an event does not fit");
  }
  return event;
}

BinlogEvent parse_format_event(ByteView whole) {
  // It has a checksum whether others have one or not.
  const BinlogEvent event = parse_binlog_event(whole, false);
  if (event.type != BinlogType::kFormat) fail("it does not begin with its format");
  return parse_binlog_event(whole, true);
}

BinlogFormat read_format(const BinlogEvent& event) {
  WireReader in(event.body);
  if (in.fixed<std::uint16_t>() != kVersion) {
    throw Error(Code::kUnsupported, "the binary log is not of version 4");
  }
  BinlogFormat format;
  const std::string_view version = as_text(in.raw(kServerVersion));
  format.server_version = version.substr(0, version.find('\0'));
  format.created = in.fixed<std::uint32_t>();
  if (in.fixed<std::uint8_t>() != kBinlogHeader) fail("headers have another length");
  // The lengths of the types, and the kind of checksum.
  const ByteView rest = in.raw(in.left());
  if (rest.empty()) fail("the format is too short");
  if (rest.back() > kCrc32) {
    throw Error(Code::kUnsupported, "the binary log has an unknown kind of checksums");
  }
  format.checksums = rest.back() == kCrc32;
  return format;
}

BinlogRotate read_rotate(const BinlogEvent& event) {
  WireReader in(event.body);
  BinlogRotate rotate;
  rotate.offset = in.fixed<std::uint64_t>();
  rotate.file = as_text(in.raw(in.left()));
  // It becomes the name of a file of ours.
  if (rotate.file.empty() || rotate.file.size() > 255 || rotate.file.starts_with('.') ||
      rotate.file.find_first_of(std::string_view("/\0", 2)) != std::string::npos) {
    fail("the name of a file is none");
  }
  return rotate;
}

bool begins_transaction(const BinlogEvent& event) {
  return event.type == BinlogType::kGtid || event.type == BinlogType::kMysqlGtid ||
         event.type == BinlogType::kMysqlTaggedGtid;
}

BinlogGtid read_gtid(const BinlogEvent& event) {
  if (event.type != BinlogType::kGtid) return {read_mysql_gtid(event), true};
  WireReader in(event.body);
  BinlogGtid found;
  found.gtid.sequence = in.fixed<std::uint64_t>();
  found.gtid.domain = in.fixed<std::uint32_t>();
  found.gtid.server = event.server;
  found.standalone = (in.fixed<std::uint8_t>() & kStandalone) != 0;
  return found;
}

// u32 thread | u32 seconds | u8 length of the database | u16 error | u16 length of the status |
// status | database and a zero | statement
BinlogQuery read_query(const BinlogEvent& event) {
  WireReader in(event.body);
  in.raw(8);
  const std::size_t database = in.fixed<std::uint8_t>();
  in.fixed<std::uint16_t>();
  const std::size_t status = in.fixed<std::uint16_t>();
  in.raw(status);
  BinlogQuery query;
  query.database = as_text(in.raw(database));
  in.raw(1);
  query.statement = as_text(in.raw(in.left()));
  return query;
}

bool states_position(const BinlogEvent& event) {
  return event.type == BinlogType::kGtidList || event.type == BinlogType::kMysqlPreviousGtids;
}

// MariaDB lists the last transactions of each domain and server; the last one of a domain in the
// list is its position.
GtidPosition read_stated_position(const BinlogEvent& event) {
  if (event.type == BinlogType::kMysqlPreviousGtids) {
    return GtidPosition(read_mysql_previous_gtids(event));
  }
  WireReader in(event.body);
  const std::uint32_t count = in.fixed<std::uint32_t>() & kCountMask;
  if (in.left() / kListedGtid < count) fail("a list of transactions is too short");
  GtidPosition position;
  for (std::uint32_t i = 0; i < count; ++i) {
    Gtid gtid;
    gtid.domain = in.fixed<std::uint32_t>();
    gtid.server = in.fixed<std::uint32_t>();
    gtid.sequence = in.fixed<std::uint64_t>();
    position.advance(gtid);
  }
  return position;
}

bool ends_transaction(const BinlogEvent& event) {
  if (event.type == BinlogType::kXid || event.type == BinlogType::kXaPrepare ||
      event.type == BinlogType::kMysqlPayload) {
    return true;
  }
  if (event.type != BinlogType::kQuery) return false;
  const std::string_view statement = read_query(event).statement;
  return statement == "COMMIT" || statement == "ROLLBACK" || statement.starts_with("XA COMMIT") ||
         statement.starts_with("XA ROLLBACK");
}

bool opens_block(const BinlogEvent& event) {
  if (event.type != BinlogType::kQuery) return false;
  const std::string_view statement = read_query(event).statement;
  return statement == "BEGIN" || statement.starts_with("XA START");
}

}  // namespace holdfast
