#include "source/mariadb/mbstream.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/human.h"
#include "base/wire.h"

namespace holdfast {
namespace {

// magic (8) | flags (1) | type (1) | u32 length of the path | path, and for a payload
// u64 length | u64 offset | u32 CRC-32 | content
constexpr std::string_view kMagic = "XBSTCK01";
constexpr std::size_t kTypeAt = 9;
constexpr std::size_t kFixedHead = 14;
constexpr std::size_t kPayloadHead = 20;
constexpr std::size_t kMaxPath = 4096;
constexpr std::uint8_t kPayload = 'P';
constexpr std::uint8_t kEndChunk = 'E';

bool is_plain(std::string_view path) {
  if (path.find('\0') != std::string_view::npos) return false;
  for (;;) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

}  // namespace

void MbstreamReader::fail(const std::string& reason) const {
  throw Error(Code::kCorrupt, fmt::format("the stream of mariadb-backup is damaged at byte {}: {}",
                                          position_, reason));
}

// As far as it is known from what is there.
std::size_t MbstreamReader::head_size() const {
  if (head_.size() < kFixedHead) return kFixedHead;
  WireReader in(ByteView(head_).subspan(kTypeAt + 1));
  const std::size_t path = in.fixed<std::uint32_t>();
  if (path == 0 || path > kMaxPath) fail("the path of a file is too long");
  return kFixedHead + path + (head_[kTypeAt] == kPayload ? kPayloadHead : 0);
}

// True when the head is complete.
bool MbstreamReader::collect_head(ByteView& bytes) {
  while (head_.size() < head_size()) {
    if (bytes.empty()) return false;
    const ByteView more = bytes.first(std::min(head_size() - head_.size(), bytes.size()));
    append(head_, more);
    position_ += more.size();
    bytes = bytes.subspan(more.size());
    if (head_.size() < kFixedHead) continue;
    if (as_text(ByteView(head_).first(kMagic.size())) != kMagic) fail("no chunk begins here");
    if (head_[kTypeAt] != kPayload && head_[kTypeAt] != kEndChunk) fail("an unknown kind of chunk");
  }
  return true;
}

void MbstreamReader::feed(ByteView bytes) {
  for (;;) {
    if (left_ > 0) {
      const ByteView part =
          bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size())));
      if (part.empty()) return;
      checksum_ = ::crc32_z(checksum_, part.data(), part.size());
      handler_.content(path_, part);
      bytes = bytes.subspan(part.size());
      position_ += part.size();
      left_ -= part.size();
      if (left_ == 0) end_payload();
      continue;
    }
    if (!collect_head(bytes)) return;
    begin_chunk();
    head_.clear();
  }
}

void MbstreamReader::begin_chunk() {
  WireReader in(ByteView(head_).subspan(kTypeAt + 1));
  const std::uint32_t length = in.fixed<std::uint32_t>();
  const std::string path(as_text(in.raw(length)));
  if (!is_plain(path)) fail("the path '" + printable(path) + "' leads elsewhere");
  if (head_[kTypeAt] == kEndChunk) return end_file(path);
  left_ = in.fixed<std::uint64_t>();
  const std::uint64_t offset = in.fixed<std::uint64_t>();
  expected_ = in.fixed<std::uint32_t>();
  checksum_ = ::crc32_z(0, nullptr, 0);
  if (ended_.contains(path)) fail("'" + printable(path) + "' goes on after its end");
  std::uint64_t& size = open_.try_emplace(path, 0).first->second;
  if (offset != size) fail("a piece of '" + printable(path) + "' is missing");
  if (left_ > ~std::uint64_t{0} - size) fail("a file is too large");
  size += left_;
  begin_payload(path);
}

void MbstreamReader::begin_payload(const std::string& path) {
  path_ = path;
  if (left_ > 0) return;
  handler_.content(path_, {});
  end_payload();
}

void MbstreamReader::end_payload() const {
  if (checksum_ != expected_) fail("the checksum of '" + printable(path_) + "' does not fit");
}

void MbstreamReader::end_file(const std::string& path) {
  if (!ended_.insert(path).second) fail("'" + printable(path) + "' ends twice");
  // An empty file has an end only.
  if (open_.erase(path) == 0) handler_.content(path, {});
  handler_.end(path);
}

void MbstreamReader::finish() const {
  if (!head_.empty() || left_ > 0) fail("it stops here");
  if (!open_.empty()) fail("'" + printable(open_.begin()->first) + "' does not end");
}

}  // namespace holdfast
