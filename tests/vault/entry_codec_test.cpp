#include "vault/entry_codec.h"

#include <gtest/gtest.h>

#include <limits>

#include "store/expect_error.h"

namespace holdfast {
namespace {

constexpr std::uint32_t kMax32 = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kMax64 = std::numeric_limits<std::uint64_t>::max();

Bytes encoded(const Entry& entry, std::uint64_t chunks = 0) {
  Bytes bytes;
  encode_entry(entry, chunks, bytes);
  return bytes;
}

DecodedEntry decoded(ByteView bytes) {
  WireReader in(bytes);
  DecodedEntry entry = decode_entry(in);
  EXPECT_TRUE(in.done());
  return entry;
}

Entry entry_of(EntryType type, std::string path = "srv/data/x") {
  Entry entry;
  entry.path = std::move(path);
  entry.type = type;
  entry.mode = 0644;
  entry.uid = 1000;
  entry.gid = 100;
  entry.user = "ada";
  entry.group = "users";
  entry.mtime_ns = 1'762'776'000'123'456'789;
  if (type == EntryType::kFile) entry.size = 12345;
  if (type == EntryType::kSymlink) entry.link_target = "../elsewhere//x";
  if (type == EntryType::kHardlink) entry.link_target = "srv/data/first";
  if (type == EntryType::kCharDevice || type == EntryType::kBlockDevice) entry.device = 0x0803;
  return entry;
}

std::vector<Entry> samples() {
  std::vector<Entry> all;
  for (int type = 1; type <= 7; ++type) all.push_back(entry_of(static_cast<EntryType>(type)));
  const std::size_t plain = all.size();
  for (std::size_t i = 0; i < plain; ++i) {
    Entry entry = all[i];
    entry.xattrs = {{"user.a", {}}, {"system.posix_acl_access", Bytes(300, 0)}, {"user.\xff", {1}}};
    entry.unstable = true;
    all.push_back(entry);
  }
  Entry extreme = entry_of(EntryType::kFile, std::string(70'000, 'p'));
  extreme.mode = 07777;
  extreme.uid = extreme.gid = kMax32;
  extreme.size = kMax64;
  extreme.user = std::string("\xff\n\"", 3);
  extreme.group = "";
  extreme.mtime_ns = std::numeric_limits<std::int64_t>::min();
  all.push_back(extreme);
  extreme.mtime_ns = std::numeric_limits<std::int64_t>::max();
  all.push_back(extreme);
  Entry sparse = entry_of(EntryType::kFile);
  sparse.sparse = true;
  all.push_back(sparse);
  sparse.size = kMax64;
  sparse.extents = {{0, 1}, {1, 1}, {4096, 8192}, {kMax64 - 1, 1}};
  all.push_back(sparse);
  Entry device = entry_of(EntryType::kBlockDevice);
  device.device = kMax64;
  all.push_back(device);
  Entry empty = entry_of(EntryType::kDirectory, "");
  empty.mode = empty.uid = empty.gid = 0;
  empty.user = empty.group = "";
  empty.mtime_ns = 0;
  all.push_back(empty);
  all.push_back(entry_of(EntryType::kFile, "caf\xe9/..x/...,/ /\x01\n"));
  return all;
}

TEST(EntryCodec, RoundTripsEveryField) {
  for (const Entry& entry : samples()) {
    const std::uint64_t chunks = entry.type == EntryType::kFile ? kMax64 : 0;
    const DecodedEntry back = decoded(encoded(entry, chunks));
    EXPECT_EQ(back.entry, entry);
    EXPECT_EQ(back.chunks, chunks);
  }
}

// Pinned by hand after docs/FORMAT.md.
TEST(EntryCodec, KnownAnswer) {
  Entry file = entry_of(EntryType::kFile, "a/b");
  file.mtime_ns = -2;
  file.sparse = file.unstable = true;
  file.size = 300;
  file.extents = {{128, 2}};
  file.xattrs = {{"user.k", {7}}};
  EXPECT_EQ(to_hex(encoded(file, 1)),
            "03612f62"  // path
            "01"        // type
            "07"        // flags
            "a403"
            "e807"
            "64"  // mode, uid, gid
            "03616461"
            "057573657273"  // user, group
            "03"            // mtime
            "ac02"
            "01"  // size, chunks
            "01"
            "06757365722e6b"
            "0107"
            "01"
            "8001"
            "02");
}

TEST(EntryCodec, EntriesFollowEachOther) {
  Bytes bytes;
  for (const Entry& entry : samples()) encode_entry(entry, 0, bytes);
  WireReader in(bytes);
  for (const Entry& entry : samples()) EXPECT_EQ(decode_entry(in).entry, entry);
  EXPECT_TRUE(in.done());
}

TEST(EntryCodec, TruncatedAtEveryLengthIsCorrupt) {
  for (Entry entry : samples()) {
    if (entry.path.size() > 1000) entry.path.resize(10);
    const Bytes bytes = encoded(entry, 3);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      WireReader in(ByteView(bytes).first(size));
      expect_error(Code::kCorrupt, [&] { decode_entry(in); });
    }
  }
}

TEST(EntryCodec, ChangedBytesNeverDoWorseThanCorrupt) {
  for (Entry entry : samples()) {
    if (entry.path.size() > 1000) entry.path.resize(10);
    const Bytes bytes = encoded(entry, 3);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      for (int bit = 0; bit < 8; ++bit) {
        Bytes bad = bytes;
        bad[i] ^= static_cast<std::uint8_t>(1 << bit);
        try {
          WireReader in(bad);
          const DecodedEntry back = decode_entry(in);
          ASSERT_NE(back.entry.path.substr(0, 1), "/");
          ASSERT_EQ(back.entry.path.find('\0'), std::string::npos);
        } catch (const Error& error) {
          ASSERT_EQ(error.code(), Code::kCorrupt);
        }
      }
    }
  }
}

TEST(EntryCodec, PathsThatLeaveTheTreeAreCorrupt) {
  for (const char* path : {"..", "../x", "a/..", "a/../b", ".", "./a", "a/.", "a/./b", "/", "/a",
                           "a/", "a//b", "//"}) {
    SCOPED_TRACE(path);
    expect_error(Code::kCorrupt, [&] { decoded(encoded(entry_of(EntryType::kFile, path))); });
    Entry link = entry_of(EntryType::kHardlink);
    link.link_target = path;
    expect_error(Code::kCorrupt, [&] { decoded(encoded(link)); });
  }
  const std::string nul("a\0b", 3);
  expect_error(Code::kCorrupt, [&] { decoded(encoded(entry_of(EntryType::kFile, nul))); });
  Entry link = entry_of(EntryType::kHardlink);
  link.link_target = "";
  expect_error(Code::kCorrupt, [&] { decoded(encoded(link)); });
  for (const EntryType type : {EntryType::kHardlink, EntryType::kSymlink}) {
    link = entry_of(type);
    link.link_target = nul;
    expect_error(Code::kCorrupt, [&] { decoded(encoded(link)); });
  }
}

TEST(EntryCodec, NonsenseIsCorrupt) {
  const auto refused = [](const Entry& entry) {
    expect_error(Code::kCorrupt, [&] { decoded(encoded(entry)); });
  };
  Entry entry = entry_of(EntryType::kFile);
  for (const int type : {0, 8, 255}) {
    entry.type = static_cast<EntryType>(type);
    refused(entry);
  }
  entry = entry_of(EntryType::kFile);
  entry.mode = 010000;
  refused(entry);
  entry = entry_of(EntryType::kDirectory);
  entry.sparse = true;
  refused(entry);
  for (const std::string& name : {std::string(), std::string("user.\0x", 7)}) {
    entry = entry_of(EntryType::kFile);
    entry.xattrs = {{name, {}}};
    refused(entry);
  }
  Bytes flags = encoded(entry_of(EntryType::kFifo, "f"));
  flags[3] = 8;
  expect_error(Code::kCorrupt, [&] { decoded(flags); });
}

TEST(EntryCodec, ExtentsOutOfBoundsAreCorrupt) {
  for (const std::vector<Extent>& extents : {std::vector<Extent>{{0, 0}},
                                             {{0, 101}},
                                             {{100, 1}},
                                             {{50, 51}},
                                             {{10, 10}, {5, 1}},
                                             {{10, 10}, {19, 1}},
                                             {{10, 10}, {10, 10}},
                                             {{kMax64, 1}},
                                             {{1, kMax64}}}) {
    Entry entry = entry_of(EntryType::kFile);
    entry.sparse = true;
    entry.size = 100;
    entry.extents = extents;
    expect_error(Code::kCorrupt, [&] { decoded(encoded(entry)); });
  }
}

TEST(EntryCodec, HugeCountsRunOutOfDataInsteadOfMemory) {
  Entry entry = entry_of(EntryType::kFile, "f");
  entry.sparse = true;
  entry.size = kMax64;
  Bytes bytes = encoded(entry);
  bytes.pop_back();  // no extents
  WireWriter(bytes).varint(kMax64);
  expect_error(Code::kCorrupt, [&] { decoded(bytes); });
}

}  // namespace
}  // namespace holdfast
