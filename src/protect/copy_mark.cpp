#include "protect/copy_mark.h"

#include "base/bytes.h"
#include "codec/hash.h"

namespace holdfast {
namespace {

constexpr std::string_view kPrefix = "doom/6c6566742d6f7574";  // "left-out"
constexpr std::size_t kHashBytes = 8;

}  // namespace

std::string copy_mark(std::string_view left_out) {
  Sha256 hash;
  hash.update(as_bytes(left_out));
  return std::string(kPrefix) + to_hex(ByteView(hash.finish()).first(kHashBytes));
}

bool is_copy_mark(std::string_view key) {
  return key.starts_with(kPrefix) && key.size() == kPrefix.size() + 2 * kHashBytes;
}

}  // namespace holdfast
