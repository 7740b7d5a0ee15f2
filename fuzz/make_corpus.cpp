// make_corpus DIRECTORY: writes the seeds of the binary formats, made by the real encoders. Run by
// hand when a format gets something new; the seeds are committed.
#include <cstdio>

#include "os/file.h"
#include "store/memory_store.h"
#include "vault/tree.h"

using namespace holdfast;

namespace {

std::string directory;

void seed(const std::string& fuzzer, const std::string& name, ByteView data) {
  make_directories(directory + "/" + fuzzer);
  write_file_atomic(directory + "/" + fuzzer + "/" + name, data);
}

Bytes leaf_page() {
  Bytes page;
  WireWriter out(page);
  out.fixed(std::uint8_t{0});
  out.varint(1);
  write_ref(out, {{}, 28, ChunkKind::kRefs});
  Entry file{
      "srv/file", EntryType::kFile, 0644, 1, 2, "root", "root", -5, 100, "", 0, {}, {}, false,
      false};
  file.xattrs = {{"user.x", {1, 2, 3}}};
  file.sparse = true;
  file.extents = {{10, 20}, {50, 50}};
  encode_entry(file, 1, page);
  encode_entry(
      {"srv/link", EntryType::kSymlink, 0777, 0, 0, "", "", 1, 0, "file", 0, {}, {}, false, false},
      0, page);
  return page;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  directory = argv[1];
  const KeyRing ring = KeyRing::from_master({}, {});
  seed("tree", "leaf", leaf_page());
  PackContents contents;
  contents.size = 200;
  contents.sessions.push_back(SessionBlock{});
  FrameEntry frame;
  frame.header.raw_length = 30;
  frame.offset = 8;
  frame.sealed_length = 40;
  frame.chunks = {{{}, 10}, {{}, 20}};
  contents.frames.push_back(frame);
  SegmentBuilder builder;
  builder.add(contents);
  seed("segment", "one-pack", builder.build());
  MemoryStore store(system_clock());
  Vault::create(store, system_clock(), ring, {}, "");
  seed("vault_config", "fresh", store.get("holdfast.json"));
  seed("keys", "wrapped", as_bytes(wrap_key_ring(ring, KeyFileSecret{}, "l", {}).json));
  seed("keys", "file", as_bytes(key_file_text({})));
  seed("keys", "ring", as_bytes(key_ring_text(ring)));
  seed("keys", "code", as_bytes(recovery_code(ring)));
  BackupSummary summary;
  summary.name = {"files", Timestamp{}, "source"};
  seed("backup_object", "object", encode_backup(new_session(ring), ring, summary, {}));
  seed("backup_object", "key", as_bytes(summary.name.key()));
  return 0;
}
