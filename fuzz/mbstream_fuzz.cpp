// Streams of mariadb-backup, whole and in pieces.
#include <map>

#include "fuzz.h"
#include "source/mariadb/mbstream.h"
#include "source/mariadb/physical.h"

using namespace holdfast;

namespace {

// The files that have ended, as far as the stream is sound; `sound` tells whether it is to its end.
std::map<std::string, Bytes> split(ByteView stream, std::size_t piece, bool& sound) {
  std::map<std::string, Bytes> open;
  std::map<std::string, Bytes> files;
  MbstreamReader reader(
      {[&](const std::string& path, ByteView content) { append(open[path], content); },
       [&](const std::string& path) {
         require(open.contains(path), "a file has content before it ends");
         require(files.emplace(path, open[path]).second, "a file ends once");
       }});
  sound = false;
  refuse_or_accept([&] {
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      reader.feed(stream.subspan(at, std::min(piece, stream.size() - at)));
    }
    reader.finish();
    sound = true;
  });
  return files;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  bool whole = false;
  bool pieces = false;
  const auto files = split(input, size + 1, whole);
  require(split(input, 7, pieces) == files, "pieces give the same files");
  require(whole == pieces, "pieces are judged the same");
  for (const auto& [path, content] : files) {
    require(("/" + path + "/").find("/../") == std::string::npos, "paths stay within");
    require(!path.starts_with('/'), "paths are relative");
  }
  refuse_or_accept([&] { parse_position_file(as_text(input)); });
  locked_at(as_text(input));
  return 0;
}
