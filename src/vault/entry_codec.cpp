#include "vault/entry_codec.h"

#include <algorithm>

#include "base/error.h"

namespace holdfast {
namespace {

constexpr std::uint8_t kHasXattrs = 1;
constexpr std::uint8_t kSparse = 2;
constexpr std::uint8_t kUnstable = 4;

[[noreturn]] void damaged(const char* what) {
  throw Error(Code::kCorrupt, std::string("a tree page is damaged: ") + what);
}

bool is_device(EntryType type) {
  return type == EntryType::kCharDevice || type == EntryType::kBlockDevice;
}
bool is_link(EntryType type) { return type == EntryType::kSymlink || type == EntryType::kHardlink; }

// A path that a walk can give: whatever the tree says, a restore stays below its target.
bool path_is_sound(std::string_view path) {
  if (path.empty()) return true;
  if (path.find('\0') != std::string_view::npos) return false;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, slash - at);
    if (part.empty() || part == "." || part == "..") return false;
    at = slash + 1;
  }
  return true;
}

std::uint32_t u32(WireReader& in) {
  const std::uint64_t value = in.varint();
  if (value > 0xffffffffu) damaged("a number is too large");
  return static_cast<std::uint32_t>(value);
}

void decode_xattrs(WireReader& in, Entry& entry) {
  for (std::uint64_t left = in.varint(); left > 0; --left) {
    Xattr xattr;
    xattr.name = in.string();
    xattr.value = to_bytes(as_bytes(in.string()));
    if (xattr.name.empty() || xattr.name.find('\0') != std::string::npos) {
      damaged("an attribute has no name");
    }
    entry.xattrs.push_back(std::move(xattr));
  }
}

void decode_extents(WireReader& in, Entry& entry) {
  std::uint64_t end = 0;
  for (std::uint64_t left = in.varint(); left > 0; --left) {
    const Extent extent{in.varint(), in.varint()};
    if (extent.offset < end || extent.length == 0 || extent.length > entry.size ||
        extent.offset > entry.size - extent.length) {
      damaged("an extent is out of bounds");
    }
    end = extent.offset + extent.length;
    entry.extents.push_back(extent);
  }
}

}  // namespace

void encode_entry(const Entry& entry, std::uint64_t chunks, Bytes& bytes) {
  WireWriter out(bytes);
  const std::uint8_t flags =
      static_cast<std::uint8_t>((entry.xattrs.empty() ? 0 : kHasXattrs) |
                                (entry.sparse ? kSparse : 0) | (entry.unstable ? kUnstable : 0));
  out.string(entry.path);
  out.fixed(static_cast<std::uint8_t>(entry.type));
  out.fixed(flags);
  out.varint(entry.mode);
  out.varint(entry.uid);
  out.varint(entry.gid);
  out.string(entry.user);
  out.string(entry.group);
  out.signed_varint(entry.mtime_ns);
  if (entry.type == EntryType::kFile) {
    out.varint(entry.size);
    out.varint(chunks);
  } else if (is_link(entry.type)) {
    out.string(entry.link_target);
  } else if (is_device(entry.type)) {
    out.varint(entry.device);
  }
  if (!entry.xattrs.empty()) {
    out.varint(entry.xattrs.size());
    for (const Xattr& xattr : entry.xattrs) {
      out.string(xattr.name);
      out.string(as_text(xattr.value));
    }
  }
  if (entry.sparse) {
    out.varint(entry.extents.size());
    for (const Extent& extent : entry.extents) {
      out.varint(extent.offset);
      out.varint(extent.length);
    }
  }
}

DecodedEntry decode_entry(WireReader& in) {
  DecodedEntry decoded;
  Entry& entry = decoded.entry;
  entry.path = in.string();
  if (!path_is_sound(entry.path)) damaged("a path is not sound");
  const auto type = in.fixed<std::uint8_t>();
  const auto flags = in.fixed<std::uint8_t>();
  if (type < 1 || type > 7 || flags > 7) damaged("an entry has an unknown type");
  entry.type = static_cast<EntryType>(type);
  entry.unstable = (flags & kUnstable) != 0;
  entry.sparse = (flags & kSparse) != 0;
  entry.mode = u32(in);
  if (entry.mode > 07777) damaged("an entry has an unknown mode");
  entry.uid = u32(in);
  entry.gid = u32(in);
  entry.user = in.string();
  entry.group = in.string();
  entry.mtime_ns = in.signed_varint();
  if (entry.type == EntryType::kFile) {
    entry.size = in.varint();
    decoded.chunks = in.varint();
  } else if (is_link(entry.type)) {
    entry.link_target = in.string();
    if (entry.link_target.find('\0') != std::string::npos) damaged("a link has no sound target");
    if (entry.type == EntryType::kHardlink &&
        (entry.link_target.empty() || !path_is_sound(entry.link_target))) {
      damaged("a hard link has no sound target");
    }
  } else if (is_device(entry.type)) {
    entry.device = in.varint();
  }
  if ((flags & kHasXattrs) != 0) decode_xattrs(in, entry);
  if (entry.sparse) {
    if (entry.type != EntryType::kFile) damaged("only files are sparse");
    decode_extents(in, entry);
  }
  return decoded;
}

}  // namespace holdfast
