// The stream of a base backup: what is in it, and what is noticed when something is not.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "base/throws.h"
#include "base/wire.h"
#include "source/postgres/base_backup_files.h"
#include "source/postgres/base_backup_reader.h"
#include "source/postgres/crc32c.h"
#include "source/postgres/wal_file.h"

namespace holdfast {
namespace {

constexpr std::uint32_t kSegment = 1u << 20;
constexpr std::uint64_t kSystem = 7;
constexpr PgBackupSpan kSpan{1, 2 * kSegment + 40, 3 * kSegment + 80};

void put(Bytes& header, std::size_t at, const std::string& text) {
  std::copy(text.begin(), text.end(), header.begin() + static_cast<std::ptrdiff_t>(at));
}

// A member as the server writes it, with its padding.
Bytes member(const std::string& name, const std::string& content, char type = '0') {
  Bytes header(512);
  put(header, 0, name);
  put(header, 100, "0000640");
  put(header, 108, "0000123");
  put(header, 116, "0000124");
  put(header, 124, fmt::format("{:011o}", content.size()));
  put(header, 136, fmt::format("{:011o}", 1'700'000'000));
  header[156] = static_cast<std::uint8_t>(type);
  put(header, 257, "ustar");
  put(header, 265, "postgres");
  put(header, 297, "dba");
  std::uint64_t sum = 8 * ' ';
  for (const std::uint8_t byte : header) sum += byte;
  put(header, 148, fmt::format("{:06o}", sum));
  append(header, as_bytes(content));
  header.resize((header.size() + 511) / 512 * 512);
  return header;
}

// The beginning of a segment, and nothing behind it.
std::string segment(std::uint64_t number, std::uint64_t system = kSystem) {
  Bytes bytes;
  WireWriter out(bytes);
  out.fixed<std::uint16_t>(0xD110);
  out.fixed<std::uint16_t>(2);  // long header
  out.fixed<std::uint32_t>(1);
  out.fixed<std::uint64_t>(number * kSegment);
  out.fixed<std::uint64_t>(0);
  out.fixed<std::uint64_t>(system);
  out.fixed<std::uint32_t>(kSegment);
  out.fixed<std::uint32_t>(8192);
  bytes.resize(kSegment);
  return std::string(as_text(bytes));
}

// What a backup may consist of, to be spoiled.
struct Parts {
  std::vector<std::pair<std::string, std::string>> base = {
      {"backup_label", "label"},
      {"base/5/1", std::string(8192, 'x')},
      {"standby.signal", ""},
      {"pg_wal/archive_status/000000010000000000000002.done", ""},
      {"pg_wal/00000002.history", "history"},
      {"global/pg_control", "control"},
      {"pg_wal/000000010000000000000002", segment(2)},
      {"pg_wal/000000010000000000000003", segment(3)}};
  std::map<std::string, std::string> listed = list();
  std::string wal_range = R"({ "Timeline": 1, "Start-LSN": "0/200028", "End-LSN": "0/300050" })";

  std::map<std::string, std::string> list() const {
    std::map<std::string, std::string> all(base.begin(), base.end());
    all["pg_tblspc/16385/PG_15_202209061/5/2"] = "in the tablespace";
    std::erase_if(all, [](const auto& file) { return file.second.size() == kSegment; });
    return all;
  }
};

std::string manifest(const Parts& parts) {
  std::string text = "{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n\"Files\": [\n";
  for (bool first = true; const auto& [path, content] : parts.listed) {
    Bytes crc;
    WireWriter(crc).fixed(crc32c(0, as_bytes(content)));
    text += fmt::format(
        "{}{{ \"Path\": \"{}\", \"Size\": {}, \"Last-Modified\": \"2025-11-10 12:00:00 GMT\", "
        "\"Checksum-Algorithm\": \"CRC32C\", \"Checksum\": \"{}\" }}",
        first ? "" : ",\n", path, content.size(), to_hex(crc));
    first = false;
  }
  text += "\n],\n\"WAL-Ranges\": [\n" + parts.wal_range + "\n],\n\"Manifest-Checksum\": \"";
  return text + to_hex(manifest_checksum(text + "\"}\n")) + "\"}\n";
}

Bytes message(char kind, const std::string& text) {
  Bytes bytes{static_cast<std::uint8_t>(kind)};
  append(bytes, as_bytes(text));
  return bytes;
}

std::vector<Bytes> stream(const Parts& parts, std::size_t piece) {
  const std::string nul(1, '\0');
  std::vector<Bytes> messages;
  const auto archive = [&](const std::string& name, const Bytes& content) {
    messages.push_back(message('n', name));
    for (std::size_t at = 0; at < content.size(); at += piece) {
      const ByteView part = ByteView(content).subspan(at, std::min(piece, content.size() - at));
      messages.push_back(message('d', std::string(as_text(part))));
    }
    messages.push_back(message('p', std::string(8, '\0')));
  };
  Bytes space;
  append(space, member("PG_15_202209061/", "", '5'));
  append(space, member("PG_15_202209061/5/", "", '5'));
  append(space, member("PG_15_202209061/5/2", "in the tablespace"));
  archive("16385.tar" + nul + "/somewhere" + nul, space);
  Bytes base;
  for (const char* directory :
       {"base/", "base/5/", "global/", "pg_wal/", "./pg_wal/archive_status/", "pg_tblspc/"}) {
    append(base, member(directory, "", '5'));
  }
  for (const auto& [path, content] : parts.base) append(base, member(path, content));
  archive("base.tar" + nul + nul, base);
  messages.push_back(message('m', ""));
  messages.push_back(message('d', manifest(parts)));
  return messages;
}

class Taker final : public PgFileTaker {
 public:
  void directory(const PgStreamFile& directory) override {
    directories[directory.stored_path] = directory.member;
  }
  void begin(const PgStreamFile& file) override {
    path_ = file.stored_path;
    EXPECT_TRUE(files.try_emplace(path_).second);
    if (file.pages) pages.push_back(path_);
    members[path_] = file.member;
  }
  void content(ByteView content) override { files[path_] += as_text(content); }
  void end() override { path_ = "?"; }

  std::map<std::string, std::string> files;
  std::map<std::string, TarMember> directories;
  std::map<std::string, TarMember> members;
  std::vector<std::string> pages;

 private:
  std::string path_;
};

void read(const std::vector<Bytes>& messages, Taker& taker, const PgBackupSpan& span = kSpan) {
  BaseBackupFiles files(kSystem, kSegment, taker);
  BaseBackupReader reader(
      {[&](const std::string& tablespace, const TarMember& one) { files.begin(tablespace, one); },
       [&](ByteView content) { files.content(content); }, [&] { files.end(); }});
  for (const Bytes& one : messages) reader.message(one);
  reader.finish();
  files.finish(span, parse_backup_manifest(reader.manifest()));
}

// What is said of a backup with `parts`.
std::string verdict(const Parts& parts, const PgBackupSpan& span = kSpan) {
  Taker taker;
  try {
    read(stream(parts, 32768), taker, span);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kCorrupt) << error.what();
    return error.message();
  }
  return "";
}

TEST(BaseBackupStream, FilesGoWhereAReaderOnTheHostPutsThem) {
  for (const std::size_t piece : {std::size_t{32768}, std::size_t{700}}) {
    Taker taker;
    read(stream({}, piece), taker);
    std::vector<std::string> paths;
    for (const auto& [path, content] : taker.files) paths.push_back(path);
    EXPECT_EQ(paths,
              (std::vector<std::string>{
                  "base/5/1", "pg_tblspc/16385/PG_15_202209061/5/2", "~holdfast/backup_label",
                  "~holdfast/pg_control", "~holdfast/wal/000000010000000000000002",
                  "~holdfast/wal/000000010000000000000003", "~holdfast/wal/00000002.history"}));
    EXPECT_EQ(taker.pages,
              (std::vector<std::string>{"pg_tblspc/16385/PG_15_202209061/5/2", "base/5/1"}));
    EXPECT_EQ(taker.files["base/5/1"], std::string(8192, 'x'));
    EXPECT_EQ(taker.files["~holdfast/wal/000000010000000000000003"], segment(3));
    for (const char* path : {"", "base", "base/5", "pg_wal", "pg_tblspc", "pg_tblspc/16385",
                             "pg_tblspc/16385/PG_15_202209061/5", "~holdfast", "~holdfast/wal"}) {
      EXPECT_TRUE(taker.directories.contains(path)) << path;
    }
    EXPECT_FALSE(taker.directories.contains("pg_wal/archive_status"));
    const TarMember& one = taker.members["base/5/1"];
    EXPECT_EQ(one.mode, 0640u);
    EXPECT_EQ(one.uid, 0123u);
    EXPECT_EQ(one.gid, 0124u);
    EXPECT_EQ(one.user, "postgres");
    EXPECT_EQ(one.group, "dba");
    EXPECT_EQ(one.modified, 1'700'000'000);
  }
}

TEST(BaseBackupStream, WhatIsMissingOrDifferentIsNoticed) {
  EXPECT_EQ(verdict({}), "");
  Parts parts;
  parts.base.erase(parts.base.begin() + 1);
  EXPECT_EQ(verdict(parts), "the base backup is not whole: base/5/1 did not come");
  parts = {};
  parts.base[1].second[5000] = 'y';
  EXPECT_NE(verdict(parts).find("base/5/1 came with 8192 bytes and checksum"), std::string::npos);
  parts = {};
  parts.base[1].second += "more";
  EXPECT_NE(verdict(parts).find("base/5/1 came with 8196 bytes"), std::string::npos);
  parts = {};
  parts.base.push_back({"base/5/2", ""});
  EXPECT_NE(verdict(parts).find("base/5/2 is not in the manifest"), std::string::npos);
  parts = {};
  parts.base.push_back(parts.base[1]);
  EXPECT_NE(verdict(parts).find("base/5/1 came twice"), std::string::npos);
  for (const std::size_t needed : {std::size_t{0}, std::size_t{5}}) {
    parts = {};
    parts.listed.erase(parts.base[needed].first);
    parts.base.erase(parts.base.begin() + static_cast<std::ptrdiff_t>(needed));
    EXPECT_NE(verdict(parts).find("did not come"), std::string::npos) << needed;
  }
}

TEST(BaseBackupStream, TheLogIsThereFromStartToStop) {
  for (const std::size_t one : {std::size_t{6}, std::size_t{7}}) {
    Parts parts;
    parts.base.erase(parts.base.begin() + static_cast<std::ptrdiff_t>(one));
    EXPECT_NE(verdict(parts).find("of the log did not come"), std::string::npos) << one;
    parts = {};
    parts.base[one].second = segment(one - 4, kSystem + 1);
    EXPECT_NE(verdict(parts).find("another cluster"), std::string::npos) << one;
    parts = {};
    parts.base[one].second = segment(9);
    EXPECT_NE(verdict(parts).find("another place in the log"), std::string::npos) << one;
    parts = {};
    parts.base[one].second.pop_back();
    EXPECT_NE(verdict(parts).find("not as long as a segment"), std::string::npos) << one;
  }
  EXPECT_NE(verdict({}, {1, kSpan.start, kSpan.stop + kSegment}).find("000000010000000000000004"),
            std::string::npos);
  EXPECT_EQ(verdict({}, {1, kSpan.start, 4 * kSegment}), "") << "the end of a segment is in it";
  EXPECT_NE(verdict({}, {1, kSpan.start + 1, kSpan.stop}).find("other WAL"), std::string::npos);
}

TEST(BaseBackupStream, AStreamThatStopsAnywhereIsNotWhole) {
  const std::vector<Bytes> all = stream({}, 4096);
  for (std::size_t kept = 0; kept < all.size(); ++kept) {
    Taker taker;
    EXPECT_THROW(read({all.begin(), all.begin() + static_cast<std::ptrdiff_t>(kept)}, taker), Error)
        << kept;
  }
}

TEST(BaseBackupStream, WhatNoServerSendsIsRefused) {
  const auto refused = [](const std::vector<Bytes>& messages) {
    Taker taker;
    EXPECT_EQ(thrown_by([&] { read(messages, taker); }), Code::kCorrupt);
  };
  const std::string nul(1, '\0');
  const Bytes base = message('n', "base.tar" + nul + nul);
  const auto data = [](const Bytes& bytes) { return message('d', std::string(as_text(bytes))); };
  refused({Bytes{}});
  refused({message('x', "")});
  refused({message('d', "content of nothing")});
  refused({message('n', "base.tar")});
  refused({message('n', "../x.tar" + nul + nul)});
  refused({base, base});
  refused({base, message('m', "more")});
  refused({base, message('p', "1234")});
  refused({base, message('m', ""), message('m', "")});
  for (const char* path : {"../x", "/etc/passwd", "a//b", "a/./b", "..", ""}) {
    refused({base, data(member(path, ""))});
  }
  refused({base, data(member("link", "", '2'))});
  refused({base, data(member("device", "", '3'))});
  Bytes spoiled = member("base/5/1", "content");
  spoiled[3] ^= 1;
  refused({base, data(spoiled)});
}

}  // namespace
}  // namespace holdfast
