#include "settings/document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "test_support.h"

namespace holdfast {
namespace {

using testing::HasSubstr;

Node parse(std::string_view text) { return parse_document(text, "f.yaml"); }

std::string message_of(const std::string& text) {
  const auto error = error_of([&] { parse(text); });
  if (!error) return "no error";
  EXPECT_EQ(error->code(), Code::kInvalid);
  return error->message();
}

TEST(Document, RemembersTheLinesOfKeysAndValues) {
  const Node root = parse("# comment\na:\n  - x\n  -\n    b: 1\nc:\n\nd: |\n  text\n");
  ASSERT_EQ(root.kind, NodeKind::kMapping);
  ASSERT_EQ(root.members.size(), 3U);
  EXPECT_EQ(root.members[0].line, 2);
  ASSERT_EQ(root.members[0].value.items.size(), 2U);
  EXPECT_EQ(root.members[0].value.items[0].line, 3);
  EXPECT_EQ(root.members[0].value.items[1].members[0].value.line, 5);
  EXPECT_EQ(root.members[1].value.kind, NodeKind::kNull);
  EXPECT_EQ(root.members[1].value.line, 6);
  EXPECT_EQ(root.members[2].value.text, "text\n");
}

TEST(Document, TellsPlainFromQuoted) {
  const Node root = parse("[a, 'a', \"a\", ~, null]");
  ASSERT_EQ(root.items.size(), 5U);
  EXPECT_TRUE(root.items[0].plain);
  EXPECT_FALSE(root.items[1].plain);
  EXPECT_FALSE(root.items[2].plain);
  EXPECT_EQ(root.items[3].kind, NodeKind::kNull);
  EXPECT_EQ(root.items[4].kind, NodeKind::kNull);
}

TEST(Document, BlockScalarsKeepTheirLineEnds) {
  const Node root = parse("a: |\n  x\n  y\nb: |-\n  x\nc: |\n  last\n");
  EXPECT_EQ(root.members[0].value.text, "x\ny\n");
  EXPECT_EQ(root.members[1].value.text, "x");
  EXPECT_EQ(root.members[2].value.text, "last\n");
}

TEST(Document, EmptyFilesAreNull) {
  for (const char* text :
       {"", "\n\n", "# only a comment\n", "---\n", "---\n...\n", "\xef\xbb\xbf"}) {
    EXPECT_EQ(parse(text).kind, NodeKind::kNull) << text;
  }
}

TEST(Document, WindowsLineEndsAndByteOrderMark) {
  const Node root = parse(
      "\xef\xbb\xbf"
      "a: 1\r\nb: 2\r\n");
  ASSERT_EQ(root.members.size(), 2U);
  EXPECT_EQ(root.members[0].key, "a");
  EXPECT_EQ(root.members[1].value.text, "2");
  EXPECT_EQ(root.members[1].line, 2);
}

struct Bad {
  const char* text;
  const char* message;  // a part of it
};

constexpr Bad kBad[] = {
    {"a: 1\nb: 2\na: 3\n", "f.yaml:3: duplicate key 'a'"},
    {"x:\n  a: 1\n  'a': 3\n", "f.yaml:3: duplicate key 'a'"},
    {"{a: 1, a: 1}", "f.yaml:1: duplicate key 'a'"},
    {"a: &x 1\n", "f.yaml:1: YAML anchors"},
    {"a: &x\n  b: 1\n", "YAML anchors"},
    {"a: &x [1]\nb: *x\n", "f.yaml:1: YAML anchors"},
    {"a: 1\nb: *x\n", "f.yaml:2: not valid YAML: "},
    {"a:\n  - *.log\n", "f.yaml:2: not valid YAML: "},
    {"a: * * * * *\n", "f.yaml:1: not valid YAML: "},
    {"a: !!str 1\n", "f.yaml:1: YAML tags"},
    {"a:\n  - !keep\n", "f.yaml:2: YAML tags"},
    {"a:\n\tb: 1\n", "f.yaml:2: not valid YAML: "},
    {"a:\n  b: 1\n c: 2\n", "f.yaml:3: not valid YAML: "},
    {"a: [1, 2\n", "not valid YAML: "},
    {"a: 'x\n", "f.yaml:1: not valid YAML: "},
    {"a: 1\nb: \"x\nc: 1\n\n", "f.yaml:4: not valid YAML: "},
    {"a: b: c\n", "f.yaml:1: not valid YAML: "},
    {"a: 1\n---\nb: 2\n", "f.yaml:2: a second YAML document"},
    {"- a\nb: 1\n", "f.yaml:2: a second YAML document"},
    {"a: 1\n]\n", "f.yaml:2: not valid YAML: "},
    {"? [1]\n: 2\n", "f.yaml:1: a key must be text"},
    {"? {a: 1}\n: 2\n", "f.yaml:1: a key must be text"},
    {"~: 1\n", "f.yaml:1: a key must be text"},
    {"a: 1\nb: \x04\nc: 2\n", "f.yaml:2: not UTF-8 text: b: \\x04"},
    {"\xff\xfe"
     "a",
     "f.yaml:1: not UTF-8 text: "},
    {"a: \xe4\n", "f.yaml:1: not UTF-8 text: "},
    {"a: [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]\n", "f.yaml:1: nested deeper than 16"},
};

TEST(Document, RefusesWithFileAndLine) {
  for (const Bad& bad : kBad) EXPECT_THAT(message_of(bad.text), HasSubstr(bad.message)) << bad.text;
}

TEST(Document, HintsAtQuotesForWildcards) {
  for (const char* text : {"a:\n  - *.log\n", "a: * * * * *\n", "a:\n  - !keep\n", "a: @daily\n"}) {
    const auto error = error_of([&] { parse(text); });
    ASSERT_TRUE(error) << text;
    EXPECT_THAT(error->hint(), HasSubstr("must be in quotes")) << text;
  }
}

TEST(Document, BombsEndEarly) {
  EXPECT_THAT(message_of(std::string((1 << 20) + 1, ' ')), HasSubstr("larger than 1.0 MiB"));
  std::string many = "[";
  for (int i = 0; i < 60'000; ++i) many += "a,";
  EXPECT_THAT(message_of(many + "]"), HasSubstr("more than 50,000 values"));
  EXPECT_NE(message_of(std::string(100'000, '[')), "no error");
  EXPECT_NE(message_of(std::string(100'000, '{')), "no error");
  std::string nested;
  for (int i = 0; i < 1000; ++i) nested += "- ";
  EXPECT_THAT(message_of(nested), HasSubstr("nested deeper"));
}

// Whatever the bytes are: a tree or an Error, never anything else.
TEST(Document, DamagedTextIsAnErrorOrATree) {
  const std::string good =
      "vault: 'x'\nlist:\n  - {a: 1, b: [2, \"3\\n\"]}\n  - |\n    text\nk: >-\n  folded\n";
  std::mt19937 random(1);
  int errors = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string text = good;
    for (auto n = 1 + random() % 3; n > 0; --n) {
      const auto at = random() % text.size();
      switch (random() % 3) {
        case 0:
          text[at] = "\n\t :-[]{}'\"|>#&*!?,%@x\x80\xff"[random() % 24];
          break;
        case 1:
          text.erase(at, 1 + random() % 4);
          break;
        default:
          text.insert(at, text.substr(random() % text.size(), random() % 8));
      }
    }
    if (error_of([&] { parse(text); })) ++errors;
  }
  EXPECT_GT(errors, 1000);
  EXPECT_LT(errors, 19'000);
}

}  // namespace
}  // namespace holdfast
