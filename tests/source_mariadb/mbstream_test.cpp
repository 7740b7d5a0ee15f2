#include "source/mariadb/mbstream.h"

#include <gtest/gtest.h>

#include <map>

#include "base/throws.h"
#include "base/wire.h"
#include "os/file.h"
#include "os/process.h"
#include "support/temp_dir.h"

namespace holdfast {
namespace {

using Files = std::map<std::string, std::string>;

// Takes `stream` in pieces of `piece` bytes.
Files split(ByteView stream, std::size_t piece) {
  Files files;
  Files open;
  MbstreamReader reader(
      {[&](const std::string& path, ByteView content) { open[path] += as_text(content); },
       [&](const std::string& path) { files[path] = open.at(path); }});
  while (!stream.empty()) {
    const ByteView part = stream.first(std::min(piece, stream.size()));
    reader.feed(part);
    stream = stream.subspan(part.size());
  }
  reader.finish();
  return files;
}

Files split(const Bytes& stream) { return split(stream, stream.size() + 1); }

void add_head(Bytes& stream, char type, std::string_view path) {
  append(stream, as_bytes("XBSTCK01"));
  WireWriter out(stream);
  out.fixed(std::uint8_t{0});
  out.fixed(static_cast<std::uint8_t>(type));
  out.fixed(static_cast<std::uint32_t>(path.size()));
  out.raw(as_bytes(path));
}

void add_piece(Bytes& stream, std::string_view path, std::string_view content,
               std::uint64_t offset) {
  add_head(stream, 'P', path);
  WireWriter out(stream);
  out.fixed(std::uint64_t{content.size()});
  out.fixed(offset);
  out.fixed(static_cast<std::uint32_t>(
      ::crc32_z(0, reinterpret_cast<const Bytef*>(content.data()), content.size())));
  out.raw(as_bytes(content));
}

Bytes two_files() {
  Bytes stream;
  add_piece(stream, "a/one", "hello ", 0);
  add_piece(stream, "two", "second", 0);
  add_piece(stream, "a/one", "world", 6);
  add_head(stream, 'E', "a/one");
  add_head(stream, 'E', "two");
  add_head(stream, 'E', "empty");
  return stream;
}

TEST(Mbstream, SplitsFilesThatComeSideBySide) {
  const Bytes stream = two_files();
  const Files expected{{"a/one", "hello world"}, {"two", "second"}, {"empty", ""}};
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, stream.size()}) {
    EXPECT_EQ(split(stream, piece), expected) << piece;
  }
  EXPECT_EQ(split(Bytes{}), Files{});
}

TEST(Mbstream, EveryTruncationIsFound) {
  const Bytes stream = two_files();
  // What is cut behind a complete chunk while no file is open looks whole; that the tool failed
  // tells it.
  Bytes tail;
  add_head(tail, 'E', "empty");
  for (std::size_t size = 1; size < stream.size(); ++size) {
    const bool whole = size == stream.size() - tail.size();
    const auto code = thrown_by([&] { split(ByteView(stream).first(size), 5); });
    EXPECT_EQ(code, whole ? std::nullopt : std::optional(Code::kCorrupt)) << size;
  }
}

TEST(Mbstream, EveryChangedBitIsFoundOrChangesAName) {
  const Bytes stream = two_files();
  const Files good = split(stream);
  for (std::size_t at = 0; at < stream.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes bad = stream;
      bad[at] = static_cast<std::uint8_t>(bad[at] ^ 1U << bit);
      try {
        // Flags mean nothing, and names have no checksum; content never changes unseen.
        for (const auto& [path, content] : split(bad)) {
          const auto known = good.find(path);
          EXPECT_TRUE(known == good.end() || content == known->second) << at;
        }
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::kCorrupt);
      }
    }
  }
}

TEST(Mbstream, PathsStayWithin) {
  for (const char* path : {"../x", "/etc/x", "a/../b", "a//b", "./a", "a/", ""}) {
    Bytes stream;
    add_piece(stream, path, "x", 0);
    add_head(stream, 'E', path);
    EXPECT_EQ(thrown_by([&] { split(stream); }), Code::kCorrupt) << path;
  }
}

TEST(Mbstream, APieceThatIsMissingOrComesTwiceIsFound) {
  for (const std::uint64_t offset : {0U, 5U, 7U}) {
    Bytes stream;
    add_piece(stream, "one", "hello ", 0);
    add_piece(stream, "one", "world", offset);
    add_head(stream, 'E', "one");
    EXPECT_EQ(thrown_by([&] { split(stream); }), Code::kCorrupt) << offset;
  }
}

TEST(Mbstream, AFileEndsOnce) {
  Bytes stream = two_files();
  add_piece(stream, "two", "more", 6);
  EXPECT_EQ(thrown_by([&] { split(stream); }), Code::kCorrupt);
  stream = two_files();
  add_head(stream, 'E', "two");
  EXPECT_EQ(thrown_by([&] { split(stream); }), Code::kCorrupt);
}

TEST(Mbstream, ReadsWhatTheRealToolWrites) {
  const TempDir directory;
  const std::string large(300'000, 'l');
  write_file_atomic(directory / "large", as_bytes(large));
  write_file_atomic(directory / "none", {});
  ProcessOptions options;
  options.argv = {"mbstream", "-c", "large", "none"};
  options.working_directory = directory.path();
  const ProcessResult result = run_process(options);
  ASSERT_EQ(result.exit_code, 0) << result.error_output;
  EXPECT_EQ(split(to_bytes(as_bytes(result.output))), (Files{{"large", large}, {"none", ""}}));
}

}  // namespace
}  // namespace holdfast
