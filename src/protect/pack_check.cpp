#include "protect/pack_check.h"

#include <algorithm>

#include "base/error.h"

namespace holdfast {

bool is_named_by_hash(const Vault& vault, const std::string& key, std::uint64_t size,
                      const std::stop_token& stop) {
  Sha256 hash;
  constexpr std::size_t kReadSize = 4u << 20;
  Bytes buffer;
  for (std::uint64_t at = 0; at < size; at += buffer.size()) {
    if (stop.stop_requested()) throw Error(Code::kCancelled, "interrupted");
    buffer.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kReadSize, size - at)));
    vault.store().read(key, at, buffer);
    hash.update(buffer);
  }
  return hash.finish() == parse_pack_key(key).value().second;
}

namespace {

constexpr const char* kOtherBytes = "its bytes are not those that its name stands for";
constexpr const char* kUnknownChunk =
    "the index does not know a chunk of it (run 'holdfast repair')";

bool is_damage(const Error& error) {
  return error.code() == Code::kCorrupt || error.code() == Code::kNotFound;
}

void check_hash(const Vault& vault, const std::string& key, std::uint64_t size, PackCheck& check,
                const std::stop_token& stop) {
  check.bytes_read += size;
  if (!is_named_by_hash(vault, key, size, stop)) check.problem = kOtherBytes;
}

// True when the index gives this very place for the chunk.
bool index_agrees(const Index& index, const PackName& pack, const FrameEntry& frame,
                  const ChunkEntry& chunk, std::uint32_t offset) {
  for (const ChunkPlace& place : index.find(chunk.id)) {
    const Segment& segment = index.segments()[place.segment];
    const FrameLocation at = segment.frame(place.chunk.frame);
    if (at.offset == frame.offset && place.chunk.offset == offset &&
        place.chunk.length == chunk.length && segment.pack(at.pack).name == pack) {
      return true;
    }
  }
  return false;
}

void check_frame(const Vault& vault, const Index& index, const PackContents& contents,
                 const FrameEntry& frame, const std::vector<SessionKeys>& sessions,
                 MutableBytes sealed, PackCheck& check) {
  thread_local Bytes raw;
  try {
    open_frame(sessions[frame.session], vault.parameters().id, frame.header, sealed, raw);
  } catch (const Error& error) {
    if (error.code() != Code::kCorrupt) throw;
    check.problem = "a frame cannot be read: " + error.message();
    for (const ChunkEntry& chunk : frame.chunks) check.bad_chunks.push_back(chunk.id);
    return;
  }
  std::vector<ByteView> contents_of_chunks;
  std::uint32_t offset = 0;
  for (const ChunkEntry& chunk : frame.chunks) {
    contents_of_chunks.push_back(ByteView(raw).subspan(offset, chunk.length));
    offset += chunk.length;
  }
  const std::vector<ChunkId> ids = vault.ids_of(contents_of_chunks);
  offset = 0;
  for (std::size_t i = 0; i < frame.chunks.size(); ++i) {
    const ChunkEntry& chunk = frame.chunks[i];
    if (ids[i] != chunk.id) {
      check.problem = "a chunk has other content than its id says";
      check.bad_chunks.push_back(chunk.id);
    } else if (!index_agrees(index, contents.name, frame, chunk, offset)) {
      check.problem = kUnknownChunk;
    }
    offset += chunk.length;
  }
}

void check_content(const Vault& vault, const Index& index, const PackContents& contents,
                   const std::string& key, PackCheck& check, const std::stop_token& stop) {
  std::vector<SessionKeys> sessions;
  for (const SessionBlock& block : contents.sessions) {
    sessions.push_back(open_session(block, vault.ring()));
  }
  thread_local Bytes sealed;
  for (const FrameEntry& frame : contents.frames) {
    if (stop.stop_requested()) throw Error(Code::kCancelled, "interrupted");
    sealed.resize(frame.sealed_length);
    vault.store().read(key, frame.offset, sealed);
    check_frame(vault, index, contents, frame, sessions, sealed, check);
  }
  check.bytes_read += contents.size;
  check.content_checked = true;
  // A whole pack under the name of another one: its frames open, but they are not those of its
  // name.
  if (check.problem == kUnknownChunk && !is_named_by_hash(vault, key, contents.size, stop)) {
    check.problem = kOtherBytes;
    check.whole_pack_lost = true;
  }
}

}  // namespace

PackCheck check_pack(const Vault& vault, const Index& index, const std::string& key,
                     std::uint64_t size, std::stop_token stop) {
  PackCheck check;
  try {
    const PackContents contents = read_pack_contents(vault.store(), key, size, vault.ring());
    if (vault.ring().can_read()) {
      check_content(vault, index, contents, key, check, stop);
    } else {
      check_hash(vault, key, size, check, stop);
    }
  } catch (const Error& error) {
    if (!is_damage(error)) throw;
    check.problem = error.message();
    check.whole_pack_lost = true;
  }
  return check;
}

}  // namespace holdfast
