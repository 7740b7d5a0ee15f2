#include "golden/golden_listing.h"

#include <fmt/format.h>

#include "base/human.h"
#include "vault/tree.h"

namespace holdfast {
namespace {

std::string content_hash(ChunkReader& reader, std::span<const Ref> chunks) {
  Sha256 hash;
  for (const Ref& chunk : chunks) hash.update(reader.read(chunk));
  return to_hex(hash.finish());
}

std::string line_of(ChunkReader& reader, const Entry& entry, std::span<const Ref> chunks) {
  std::string line = fmt::format("'{}' type={} mode={:o} owner={}:{} ({}:{}) mtime={}",
                                 printable(entry.path), static_cast<int>(entry.type), entry.mode,
                                 entry.uid, entry.gid, entry.user, entry.group, entry.mtime_ns);
  if (entry.type == EntryType::kFile) {
    line += fmt::format(" size={} sha256={} chunks=", entry.size, content_hash(reader, chunks));
    for (const Ref& chunk : chunks) {
      line += fmt::format("{}:{},", to_hex(ByteView(chunk.id.bytes).first(4)), chunk.length);
    }
  }
  if (!entry.link_target.empty()) line += " target='" + printable(entry.link_target) + "'";
  for (const Xattr& xattr : entry.xattrs) {
    line += fmt::format(" {}={}", xattr.name, to_hex(xattr.value));
  }
  if (entry.sparse) line += " sparse";
  for (const Extent& extent : entry.extents) {
    line += fmt::format(" {}+{}", extent.offset, extent.length);
  }
  return line + "\n";
}

}  // namespace

std::string golden_listing(const Vault& vault, const BackupName& name) {
  ChunkReader reader(vault);
  std::string text;
  for_each_entry(reader, read_backup(vault, name).root.value().tree,
                 [&](const Entry& entry, std::span<const Ref> chunks) {
                   text += line_of(reader, entry, chunks);
                   return true;
                 });
  return text;
}

}  // namespace holdfast
