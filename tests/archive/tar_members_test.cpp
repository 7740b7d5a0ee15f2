// What tar lists of an archive, read back.
#include <gtest/gtest.h>

#include "cli/tar_preflight.h"
#include "store/expect_error.h"

namespace holdfast {
namespace {

TEST(ListedMember, IsReadAsTarListsIt) {
  const auto file =
      parse_listed_member("-rw-r--r-- 0/0              12 2025-11-10 12:00:01.123456789 \"a b\"");
  EXPECT_EQ(file.type, '-');
  EXPECT_EQ(file.size, 12u);
  EXPECT_EQ(file.time, 1762776001);
  EXPECT_EQ(file.path, "a b");
  const auto path_of = [](const std::string& rest) {
    return parse_listed_member("drwxr-xr-x 0/0 0 1969-12-31 23:59:59 " + rest).path;
  };
  EXPECT_EQ(path_of("\"./srv/www/\""), "srv/www");
  EXPECT_EQ(path_of("\"x\\\"y\\n\\303\\251\\\\\" -> \"/etc\""), "x\"y\n\303\251\\");
  EXPECT_EQ(path_of("\"a\" link to \"b\""), "a");
  EXPECT_EQ(
      parse_listed_member("lrwxrwxrwx 0/0 0 1969-12-31 23:59:59 \"a\" -> \"../x \\\"y\"").link,
      "../x \"y");
  EXPECT_EQ(parse_listed_member("drwxr-xr-x 0/0 0 1969-12-31 23:59:59 \"a\"").time, -1);
  EXPECT_EQ(parse_listed_member("crw-rw-rw- 0/0 1,3 2025-11-10 12:00:00 \"null\"").type, 'c');
  for (const char* other : {"", "tar: Removing leading", "block 3: ** Block of NULs **", "\"a\""}) {
    expect_error(Code::kInvalid, [&] { parse_listed_member(other); });
  }
}

}  // namespace
}  // namespace holdfast
