#include "base/error.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>
#include <string>

namespace holdfast {
namespace {

TEST(Error, ContextGoesOutermostFirst) {
  Error error(Code::kCorrupt, "bad magic");
  error.add_context("pack 12").add_context("while restoring /srv/x");
  EXPECT_STREQ(error.what(), "while restoring /srv/x: pack 12: bad magic");
  EXPECT_EQ(error.code(), Code::kCorrupt);
}

TEST(Error, FirstHintStays) {
  Error error(Code::kDenied, "no");
  EXPECT_EQ(error.hint(), "");
  error.suggest("first").suggest("second");
  EXPECT_EQ(error.hint(), "first");
}

TEST(Error, SystemErrorsGetTheirCode) {
  EXPECT_EQ(system_error(ENOENT, "x").code(), Code::kNotFound);
  EXPECT_EQ(system_error(EEXIST, "x").code(), Code::kConflict);
  EXPECT_EQ(system_error(EROFS, "x").code(), Code::kDenied);
  EXPECT_EQ(system_error(ENOSPC, "x").code(), Code::kExhausted);
  EXPECT_EQ(system_error(EIO, "x").code(), Code::kUnavailable);
  EXPECT_EQ(system_error(ENOENT, "cannot open /x").message(),
            "cannot open /x: No such file or directory");
}

TEST(Error, EveryCodeHasItsOwnExitCodeAndName) {
  const Code codes[] = {Code::kInternal, Code::kUsage,       Code::kNotFound,    Code::kCorrupt,
                        Code::kConflict, Code::kDenied,      Code::kUnavailable, Code::kExhausted,
                        Code::kInvalid,  Code::kUnsupported, Code::kCancelled};
  std::set<int> exits = {kExitSuccess, kExitWarnings};
  std::set<std::string> names;
  for (const Code code : codes) {
    EXPECT_TRUE(exits.insert(exit_code(code)).second) << exit_code(code);
    EXPECT_TRUE(names.insert(std::string(code_name(code))).second) << code_name(code);
  }
  EXPECT_EQ(exit_code(Code::kCancelled), 130);
  EXPECT_EQ(code_name(Code::kNotFound), "not-found");
}

}  // namespace
}  // namespace holdfast
