#include "source/mariadb/mysql_event.h"

#include <fmt/format.h>

#include <bit>

#include "base/error.h"
#include "base/wire.h"

namespace holdfast {
namespace {

constexpr std::size_t kUuid = 16;
constexpr std::uint8_t kTagged = 1;  // a format of sets
constexpr std::size_t kMostTag = 32;
constexpr std::uint64_t kSerialized = 1;  // the only version there is
enum Field : std::uint64_t { kFlags, kSource, kNumber, kTag };

[[noreturn]] void fail(const char* reason) {
  throw Error(Code::kCorrupt, std::string("the binary log is damaged: ") + reason);
}

std::string uuid_text(ByteView bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", bytes[i]);
  }
  return text;
}

std::string source_text(ByteView uuid, std::string_view tag) {
  std::string source = uuid_text(uuid);
  if (!tag.empty()) source.append(":").append(tag);
  return source;
}

// Numbers of newer events: the ones at the end of the first byte tell how many bytes follow, and
// what is left of it are the lowest bits.
std::uint64_t read_variable(WireReader& in) {
  const auto head = in.fixed<std::uint8_t>();
  const int more = std::countr_one(head);
  std::uint64_t value = more >= 7 ? 0 : static_cast<std::uint64_t>(head) >> (more + 1);
  const int first_bits = more >= 7 ? 0 : 7 - more;
  for (int i = 0; i < more; ++i) {
    const int shift = first_bits + 8 * i;
    value |= std::uint64_t{in.fixed<std::uint8_t>()} << shift;
  }
  return value;
}

std::string read_tag(WireReader& in) {
  const std::uint64_t size = read_variable(in);
  if (size > kMostTag) fail("a tag is too long");
  return std::string(as_text(in.raw(static_cast<std::size_t>(size))));
}

std::uint64_t checked(std::uint64_t number) {
  if (number == 0 || number > INT64_MAX) fail("a GTID has an impossible number");
  return number;
}

// version | size | last field that must be understood | then each field: its number, its value
Gtid read_tagged(const BinlogEvent& event) {
  WireReader in(event.body);
  if (read_variable(in) != kSerialized) {
    throw Error(Code::kUnsupported, "the binary log has GTIDs in a format of a later MySQL",
                "a newer Holdfast may read it");
  }
  read_variable(in);
  read_variable(in);
  Gtid gtid;
  Bytes uuid;
  for (const Field wanted : {kFlags, kSource, kNumber, kTag}) {
    if (read_variable(in) != wanted) fail("a GTID lacks a field");
    if (wanted == kFlags) read_variable(in);
    if (wanted == kSource) {
      for (std::size_t i = 0; i < kUuid; ++i) {
        uuid.push_back(static_cast<std::uint8_t>(read_variable(in)));
      }
    }
    // The lowest bit is the sign.
    if (wanted == kNumber) gtid.sequence = checked(read_variable(in) >> 1);
    if (wanted == kTag) gtid.source = source_text(uuid, read_tag(in));
  }
  return gtid;
}

}  // namespace

Gtid read_mysql_gtid(const BinlogEvent& event) {
  if (event.type == BinlogType::kMysqlTaggedGtid) return read_tagged(event);
  // u8 flags | UUID | u64 number | what orders transactions on replicas
  WireReader in(event.body);
  in.fixed<std::uint8_t>();
  Gtid gtid;
  gtid.source = uuid_text(in.raw(kUuid));
  gtid.sequence = checked(in.fixed<std::uint64_t>());
  return gtid;
}

// u64 sources, the highest byte is the format | each: UUID | tag, if the format has them | u64
// intervals | each: u64 first, u64 behind the last
MysqlGtidSet read_mysql_previous_gtids(const BinlogEvent& event) {
  WireReader in(event.body);
  std::uint64_t sources = in.fixed<std::uint64_t>();
  const auto format = static_cast<std::uint8_t>(sources >> 56);
  if (format > kTagged) {
    throw Error(Code::kUnsupported, "the binary log has sets of GTIDs in a format of a later MySQL",
                "a newer Holdfast may read it");
  }
  // The format stands at both ends.
  if (format == kTagged) sources = sources << 8 >> 16;
  MysqlGtidSet set;
  for (; sources > 0; --sources) {
    const ByteView uuid = in.raw(kUuid);
    const std::string source = source_text(uuid, format == kTagged ? read_tag(in) : "");
    for (auto intervals = in.fixed<std::uint64_t>(); intervals > 0; --intervals) {
      const auto first = checked(in.fixed<std::uint64_t>());
      const auto behind = checked(in.fixed<std::uint64_t>());
      if (behind <= first) fail("a set of GTIDs has an impossible interval");
      set.add(source, {first, behind - 1});
    }
  }
  return set;
}

}  // namespace holdfast
