#include "base/human.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/one_line.h"
#include "base/throws.h"

namespace holdfast {
namespace {

TEST(FormatSize, PicksTheUnit) {
  EXPECT_EQ(format_size(0), "0 B");
  EXPECT_EQ(format_size(1023), "1023 B");
  EXPECT_EQ(format_size(1024), "1.0 KiB");
  EXPECT_EQ(format_size(1536), "1.5 KiB");
  EXPECT_EQ(format_size((1u << 20) - 1), "1.0 MiB");  // never "1024.0 KiB"
  EXPECT_EQ(format_size(std::uint64_t{3} << 40), "3.0 TiB");
  EXPECT_EQ(format_size(~std::uint64_t{0}), "16384.0 PiB");
}

TEST(ParseSize, ReadsUnits) {
  EXPECT_EQ(parse_size("500"), 500u);
  EXPECT_EQ(parse_size("0"), 0u);
  EXPECT_EQ(parse_size("64M"), 64u << 20);
  EXPECT_EQ(parse_size("64MB"), 64u << 20);
  EXPECT_EQ(parse_size("1GiB"), 1u << 30);
  EXPECT_EQ(parse_size("1 gib"), 1u << 30);
  EXPECT_EQ(parse_size("2.5k"), 2560u);
  EXPECT_EQ(parse_size("10B"), 10u);
}

TEST(ParseSize, RefusesOtherText) {
  for (const char* text :
       {"", "M", "-1", "1X", "1MM", "1 M B x", "20000P", "1e99", "nan", "inf", "0x10", "1iB"}) {
    EXPECT_EQ(thrown_by([&] { parse_size(text); }), Code::kInvalid) << text;
  }
}

TEST(FormatCount, GroupsDigits) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1000), "1,000");
  EXPECT_EQ(format_count(123456), "123,456");
  EXPECT_EQ(format_count(1234567), "1,234,567");
}

TEST(Plural, AddsAnS) {
  EXPECT_EQ(plural(0, "file"), "0 files");
  EXPECT_EQ(plural(1, "file"), "1 file");
  EXPECT_EQ(plural(1200, "file"), "1,200 files");
}

TEST(OneLine, HasNoLineBreaksAndNothingThatATerminalObeys) {
  EXPECT_EQ(one_line("failed: No such file\n\tIs the server running?\n"),
            "failed: No such file Is the server running?");
  EXPECT_EQ(one_line("  a\r\n\n b\x1b[31m"), "a b\\x1b[31m");
  EXPECT_EQ(one_line(" \n"), "");
  EXPECT_EQ(one_line(""), "");
}

TEST(Printable, KeepsText) {
  EXPECT_EQ(printable("plain /path"), "plain /path");
  EXPECT_EQ(printable("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
            "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
}

TEST(Printable, EscapesWhatATerminalWouldObey) {
  EXPECT_EQ(printable("a\nb\x1b[31m\x7f"), "a\\x0ab\\x1b[31m\\x7f");
  EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b");  // the C1 form of ESC [
  EXPECT_EQ(printable(std::string_view("\0", 1)), "\\x00");
}

TEST(Printable, EscapesInvalidUtf8) {
  EXPECT_EQ(printable("\xff"), "\\xff");
  EXPECT_EQ(printable("a\xc3"), "a\\xc3");
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf");                    // overlong
  EXPECT_EQ(printable("\xe0\x80\xaf"), "\\xe0\\x80\\xaf");           // overlong
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // surrogate
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // above U+10FFFF
}

TEST(Nearest, FindsTypingMistakes) {
  const std::vector<std::string> commands = {"backup", "restore", "list"};
  EXPECT_EQ(nearest("bakcup", commands), "backup");
  EXPECT_EQ(nearest("restor", commands), "restore");
  EXPECT_EQ(nearest("lst", commands), "list");
  EXPECT_EQ(nearest("frobnicate", commands), "");
}

TEST(EditDistance, KnownAnswers) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("sitting", "kitten"), 3u);
}

}  // namespace
}  // namespace holdfast
