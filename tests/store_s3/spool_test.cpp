#include "store/s3/spool.h"

#include <gtest/gtest.h>

#include <string>

namespace holdfast {
namespace {

std::string content_of(const HttpBody& body) {
  Bytes content(static_cast<std::size_t>(body.size));
  body.read(0, content);
  return std::string(as_text(content));
}

std::string counted(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 23);
  return text;
}

void fill(Spool& spool, std::string_view text, std::size_t piece) {
  for (std::size_t at = 0; at < text.size(); at += piece) {
    spool.append(as_bytes(text.substr(at, piece)));
  }
}

TEST(Spool, PartsFollowEachOther) {
  SpoolFiles files;
  Spool spool(files, 10);
  const std::string text = counted(35);
  fill(spool, text, 7);
  ASSERT_EQ(spool.parts(), 4u);
  std::string all;
  for (std::size_t i = 0; i < spool.parts(); ++i) {
    const std::string part = content_of(spool.part(i));
    EXPECT_EQ(part.size(), i < 3 ? 10u : 5u);
    all += part;
  }
  EXPECT_EQ(all, text);
  EXPECT_EQ(content_of(spool.whole()), text);
}

TEST(Spool, AFileIsUsedAgainWithoutWhatWasInIt) {
  SpoolFiles files;
  { Spool(files, 10).append(as_bytes(counted(95))); }
  Spool spool(files, 10);
  fill(spool, "short", 100);
  EXPECT_EQ(spool.parts(), 1u);
  EXPECT_EQ(content_of(spool.part(0)), "short");
  EXPECT_EQ(content_of(spool.whole()), "short");
}

TEST(Spool, EmptyContentHasNoParts) {
  SpoolFiles files;
  Spool spool(files, 10);
  EXPECT_EQ(spool.parts(), 0u);
  EXPECT_EQ(spool.whole().size, 0u);
}

// With parts of 16 MiB the largest object of S3, 5 TiB, would have 327,680 of the 10,000 that it
// takes.
TEST(Spool, PartsGrowSoThatTheyAreFewEnough) {
  SpoolFiles files;
  Spool spool(files, 1);
  const std::string text = counted(1000 + 2 * 1000 + 4 * 10 + 1);
  fill(spool, text, 999);
  ASSERT_EQ(spool.parts(), 2011u);
  EXPECT_EQ(spool.part(999).size, 1u);
  EXPECT_EQ(spool.part(1000).size, 2u);
  EXPECT_EQ(spool.part(2000).size, 4u);
  EXPECT_EQ(spool.part(2010).size, 1u);
  std::string all;
  for (std::size_t i = 0; i < spool.parts(); ++i) all += content_of(spool.part(i));
  EXPECT_EQ(all, text);
}

}  // namespace
}  // namespace holdfast
