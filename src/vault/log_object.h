// A file of a database's log as one sealed, immutable object: docs/FORMAT.md, "Log objects".
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "store/object_store.h"
#include "vault/frame.h"
#include "vault/log_name.h"

namespace holdfast {

inline constexpr std::size_t kLogFrame = std::size_t{4} << 20;  // raw bytes

struct LogFrame {
  FrameMethod method = FrameMethod::kStored;
  std::uint32_t raw_length = 0;
  std::uint32_t sealed_length = 0;
};

// What everyone with a key may know.
struct LogHeader {
  std::uint64_t size = 0;  // bytes of the content
  Digest mac{};            // see is_content()
  unsigned version = 2;    // of the object
  Timestamp created{};
  std::string facts = "{}";  // a JSON object that this room does not look into
  std::vector<LogFrame> frames;
  std::uint64_t object_size = 0;  // of the whole object, as the parts add up
};

// Whether `content` is what the header's MAC was made of. Throws Error(kDenied) for an operator.
bool is_content(const KeyRing& ring, const LogHeader& header, ByteView content);

// The whole object, in memory. `facts` is the text of a JSON object, else Error(kInvalid). Needs a
// ring that can write, else Error(kDenied). Thread-safe.
Bytes encode_log(const KeyRing& ring, const LogName& name, ByteView content,
                 const std::string& facts, Timestamp created, int level);

// The header alone; any ring will do. `object` is all of it or its beginning. Throws
// Error(kCorrupt).
LogHeader decode_log_header(ByteView object, const KeyRing& ring, const LogName& name);
// The same with the fewest bytes read. Throws also what the store throws.
LogHeader read_log_header(ObjectStore& store, const KeyRing& ring, const LogName& name);

// What tells two writings of one log object apart without a key: the same content sealed twice has
// nothing but its name in common.
struct LogSealing {
  SessionBlock session{};
  std::array<std::uint8_t, 32> salt{};
};
inline constexpr std::size_t kLogStartSize = 8 + kSessionBlockSize + 32 + 4;
// From the first kLogStartSize bytes at least; nothing when it is no log object.
std::optional<LogSealing> log_sealing(ByteView start);

struct LogContent {
  LogHeader header;
  Bytes bytes;
};
// All of it, compared with its MAC. `object` is scratch memory afterwards. Throws Error(kDenied)
// for a ring that cannot read content, kCorrupt.
LogContent decode_log(MutableBytes object, const KeyRing& ring, const LogName& name);

}  // namespace holdfast
