#include "source/postgres/tar_reader.h"

#include <algorithm>
#include <limits>
#include <string_view>

#include "base/error.h"
#include "base/human.h"

namespace holdfast {
namespace {

constexpr std::size_t kBlock = 512;

// Where the fields of a header are: https://www.gnu.org/software/tar/manual/html_node/Standard.html
struct Part {
  std::size_t at;
  std::size_t size;
};
constexpr Part kName{0, 100}, kMode{100, 8}, kUid{108, 8}, kGid{116, 8}, kSize{124, 12},
    kModified{136, 12}, kChecksum{148, 8}, kType{156, 1}, kLink{157, 100}, kMagic{257, 5},
    kUser{265, 32}, kGroup{297, 32}, kPrefix{345, 155};

[[noreturn]] void fail(const std::string& reason) {
  throw Error(Code::kCorrupt, "the server's archive is not understood: " + reason);
}

std::string text(ByteView header, Part part) {
  const std::string_view all = as_text(header.subspan(part.at, part.size));
  return std::string(all.substr(0, all.find('\0')));
}

// Octal digits, or big-endian binary behind a first byte of 0x80, as large numbers are written.
std::uint64_t number(ByteView header, Part part) {
  const ByteView field = header.subspan(part.at, part.size);
  std::uint64_t value = 0;
  if (field[0] == 0x80) {
    for (const std::uint8_t byte : field.subspan(1)) {
      if (value >> 56 != 0) fail("a number is too large");
      value = value << 8 | byte;
    }
    return value;
  }
  for (const std::uint8_t byte : field) {
    if (byte == ' ' || byte == 0) break;
    if (byte < '0' || byte > '7') fail("a number is malformed");
    value = value << 3 | static_cast<std::uint64_t>(byte - '0');
  }
  return value;
}

std::uint32_t small_number(ByteView header, Part part) {
  const std::uint64_t value = number(header, part);
  if (value > std::numeric_limits<std::uint32_t>::max()) fail("a number is too large");
  return static_cast<std::uint32_t>(value);
}

void check_sum(ByteView header) {
  std::uint64_t sum = kChecksum.size * ' ';
  for (std::size_t i = 0; i < kBlock; ++i) {
    if (i < kChecksum.at || i >= kChecksum.at + kChecksum.size) sum += header[i];
  }
  if (sum != number(header, kChecksum)) fail("the checksum of a header does not match");
}

// A path that leaves the directory would be written anywhere by a restore.
void check_path(std::string_view path) {
  if (path.empty() || path.front() == '/') fail("'" + printable(path) + "' is no path");
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    if (part.empty() || part == "." || part == "..") fail("'" + printable(path) + "' is no path");
    at = end + 1;
  }
}

TarType type_of(char type) {
  switch (type) {
    case '0':
    case '\0':
      return TarType::kFile;
    case '5':
      return TarType::kDirectory;
    case '2':
      return TarType::kSymlink;
    default:
      fail("a member is no file, directory or link");
  }
}

TarMember parse_header(ByteView header) {
  check_sum(header);
  if (text(header, kMagic) != "ustar") fail("a header has no 'ustar'");
  TarMember member;
  member.path = text(header, kName);
  if (const std::string prefix = text(header, kPrefix); !prefix.empty()) {
    member.path = prefix + "/" + member.path;
  }
  if (member.path.ends_with('/')) member.path.pop_back();
  if (member.path.starts_with("./")) member.path.erase(0, 2);  // "./pg_wal/archive_status"
  check_path(member.path);
  member.type = type_of(static_cast<char>(header[kType.at]));
  member.size = number(header, kSize);
  if (member.type != TarType::kFile && member.size != 0) fail("a member without content has some");
  member.mode = small_number(header, kMode) & 07777u;
  member.uid = small_number(header, kUid);
  member.gid = small_number(header, kGid);
  member.user = text(header, kUser);
  member.group = text(header, kGroup);
  const std::uint64_t modified = number(header, kModified);
  if (modified > std::uint64_t{1} << 33) fail("a time is in the far future");
  member.modified = static_cast<std::int64_t>(modified);
  member.link_target = text(header, kLink);
  return member;
}

bool all_zero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

}  // namespace

void TarReader::feed(ByteView bytes) {
  while (!bytes.empty()) {
    if (closed_) {
      if (!all_zero(bytes)) fail("something follows its end");
      return;
    }
    if (!in_member_) {
      const std::size_t part = std::min(kBlock - header_.size(), bytes.size());
      append(header_, bytes.first(part));
      bytes = bytes.subspan(part);
      if (header_.size() == kBlock) take_header();
    } else if (left_ > 0) {
      const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
      handler_.content(bytes.first(part));
      left_ -= part;
      bytes = bytes.subspan(part);
      if (left_ == 0) end_member();
    } else {
      const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(padding_, bytes.size()));
      padding_ -= part;
      bytes = bytes.subspan(part);
      in_member_ = padding_ > 0;
    }
  }
}

void TarReader::take_header() {
  if (all_zero(header_)) {
    closed_ = true;
    return;
  }
  const TarMember member = parse_header(header_);
  header_.clear();
  in_member_ = true;
  left_ = member.size;
  padding_ = (kBlock - member.size % kBlock) % kBlock;
  handler_.begin(member);
  if (left_ == 0) end_member();
}

void TarReader::end_member() {
  handler_.end();
  in_member_ = padding_ > 0;
}

void TarReader::finish() const {
  if (in_member_ || (!closed_ && !header_.empty())) fail("it ends within a member");
}

}  // namespace holdfast
