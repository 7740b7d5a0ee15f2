#include "source/postgres/wal_format.h"

#include <bit>

#include "base/wire.h"
#include "source/postgres/crc32c.h"

namespace holdfast {

namespace {

// xlogrecord.h: the ids of the headers, and their flags.
constexpr std::uint8_t kLastBlockId = 32;
constexpr std::uint8_t kTopLevelXidId = 252;
constexpr std::uint8_t kOriginId = 253;
constexpr std::uint8_t kLongDataId = 254;
constexpr std::uint8_t kShortDataId = 255;
constexpr std::uint8_t kBlockHasImage = 0x10;
constexpr std::uint8_t kBlockSameRelation = 0x80;
constexpr std::uint8_t kImageHasHole = 0x01;

bool is_compressed(std::uint8_t image_flags, int major) {
  // One flag up to 14; since 15 one for each of three methods.
  return (image_flags & (major >= 15 ? 0x1c : 0x02)) != 0;
}

// The bytes of data that the block has, its header having been read but for the id.
std::uint64_t read_block_header(WireReader& in, int major) {
  const auto flags = in.fixed<std::uint8_t>();
  std::uint64_t data = in.fixed<std::uint16_t>();
  if (flags & kBlockHasImage) {
    data += in.fixed<std::uint16_t>();
    in.fixed<std::uint16_t>();  // where the hole begins
    const auto image_flags = in.fixed<std::uint8_t>();
    if (image_flags & kImageHasHole && is_compressed(image_flags, major)) in.fixed<std::uint16_t>();
  }
  if (!(flags & kBlockSameRelation)) in.raw(12);
  in.fixed<std::uint32_t>();  // the block's number
  return data;
}

// Reads headers until those of the main data, or until they fill the record with the data so far.
bool read_data_headers(WireReader& in, std::uint64_t payload_length, int major,
                       WalDataHeaders& out) {
  while (in.position() + out.block_data < payload_length) {
    const auto id = in.fixed<std::uint8_t>();
    if (id == kShortDataId || id == kLongDataId) {
      out.main_length = id == kShortDataId ? in.fixed<std::uint8_t>() : in.fixed<std::uint32_t>();
      return true;
    }
    if (id == kOriginId) {
      in.fixed<std::uint16_t>();
    } else if (id == kTopLevelXidId) {
      in.fixed<std::uint32_t>();
    } else if (id <= kLastBlockId) {
      out.block_data += read_block_header(in, major);
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace

std::optional<int> wal_major_version(std::uint16_t magic) {
  for (const WalVersion& version : kWalVersions) {
    if (version.magic == magic) return version.major;
  }
  return std::nullopt;
}

WalPageHeader parse_page_header(ByteView bytes) {
  WireReader in(bytes);
  WalPageHeader header;
  header.magic = in.fixed<std::uint16_t>();
  header.flags = in.fixed<std::uint16_t>();
  header.timeline = in.fixed<std::uint32_t>();
  header.address = in.fixed<std::uint64_t>();
  header.rest = in.fixed<std::uint32_t>();
  in.raw(4);
  if (bytes.size() < kLongPageHeader) return header;
  header.system_id = in.fixed<std::uint64_t>();
  header.segment_size = in.fixed<std::uint32_t>();
  header.page_size = in.fixed<std::uint32_t>();
  return header;
}

bool is_segment_size(std::uint32_t size) {
  return std::has_single_bit(size) && size >= 1u << 20 && size <= 1u << 30;
}

bool is_wal_page_size(std::uint32_t size) {
  return std::has_single_bit(size) && size >= 4u << 10 && size <= 64u << 10;
}

WalRecordHeader parse_record_header(ByteView bytes) {
  WireReader in(bytes);
  WalRecordHeader header;
  header.total_length = in.fixed<std::uint32_t>();
  header.xid = in.fixed<std::uint32_t>();
  header.previous = in.fixed<std::uint64_t>();
  header.info = in.fixed<std::uint8_t>();
  header.rmid = in.fixed<std::uint8_t>();
  in.raw(2);
  header.crc = in.fixed<std::uint32_t>();
  return header;
}

std::uint32_t record_crc(std::uint32_t payload_crc, ByteView header) {
  return crc32c(payload_crc, header.first(kRecordHeader - 4));
}

std::optional<WalDataHeaders> parse_data_headers(ByteView payload, std::uint64_t payload_length,
                                                 int major) {
  WireReader in(payload);
  WalDataHeaders headers;
  try {
    if (!read_data_headers(in, payload_length, major, headers)) return std::nullopt;
  } catch (const Error&) {
    return std::nullopt;
  }
  headers.size = in.position();
  if (headers.size + headers.block_data + headers.main_length != payload_length)
    return std::nullopt;
  return headers;
}

}  // namespace holdfast
