// The messages of a base backup, and its archives, whole and in pieces. The input is a row of
// messages, each behind its length (two bytes, little-endian).
#include <algorithm>
#include <map>

#include "base/error.h"
#include "fuzz.h"
#include "source/postgres/base_backup_files.h"
#include "source/postgres/base_backup_reader.h"

using namespace holdfast;

namespace {

void check_path(const std::string& path) {
  require(("/" + path + "/").find("/../") == std::string::npos, "paths stay within");
  require(!path.starts_with('/') && !path.ends_with('/'), "paths are relative");
}

class Taker final : public PgFileTaker {
 public:
  void directory(const PgStreamFile& directory) override { check_path(directory.stored_path); }
  void begin(const PgStreamFile& file) override {
    check_path(file.stored_path);
    require(!open_, "one file is open at a time");
    open_ = true;
    left_ = file.member.size;
  }
  void content(ByteView content) override {
    require(open_ && content.size() <= left_, "no more content than was announced");
    left_ -= content.size();
  }
  void end() override {
    require(open_ && left_ == 0, "a file has all of its content");
    open_ = false;
  }

 private:
  bool open_ = false;
  std::uint64_t left_ = 0;
};

void whole_backup(ByteView input) {
  Taker taker;
  BaseBackupFiles files(1, 1u << 20, taker);
  BaseBackupReader reader({[&](const std::string& tablespace, const TarMember& member) {
                             files.begin(tablespace, member);
                           },
                           [&](ByteView content) { files.content(content); },
                           [&] { files.end(); }});
  refuse_or_accept([&] {
    while (input.size() >= 2) {
      const std::size_t announced = input[0] + std::size_t{256} * input[1];
      const std::size_t size = std::min(announced, input.size() - 2);
      reader.message(input.subspan(2, size));
      input = input.subspan(2 + size);
    }
    reader.finish();
    files.finish({1, 1u << 20, 2u << 20}, parse_backup_manifest(reader.manifest()));
  });
}

using Archive = std::map<std::string, Bytes>;

// The members that have ended, as far as the archive is sound.
Archive split(ByteView archive, std::size_t piece, bool& sound) {
  Archive members;
  std::string path;
  Bytes content;
  TarReader reader({[&](const TarMember& member) {
                      check_path(member.path);
                      path = member.path;
                      content.clear();
                    },
                    [&](ByteView part) { append(content, part); },
                    [&] { members[path] = content; }});
  sound = false;
  refuse_or_accept([&] {
    for (std::size_t at = 0; at < archive.size(); at += piece) {
      reader.feed(archive.subspan(at, std::min(piece, archive.size() - at)));
    }
    reader.finish();
    sound = true;
  });
  return members;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  whole_backup(input);
  bool whole = false;
  bool pieces = false;
  const Archive members = split(input, size + 1, whole);
  require(split(input, 100, pieces) == members, "pieces give the same members");
  require(whole == pieces, "pieces are judged the same");
  return 0;
}
