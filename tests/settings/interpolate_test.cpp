#include "settings/interpolate.h"

#include <gtest/gtest.h>

#include "test_support.h"

namespace holdfast {
namespace {

class Interpolate : public testing::Test {
 protected:
  ScopedVariable set_{"HOLDFAST_TEST_SET", "value"};
  ScopedVariable empty_{"HOLDFAST_TEST_EMPTY", ""};
  ScopedVariable unset_{"HOLDFAST_TEST_UNSET", nullptr};
  ScopedVariable nested_{"HOLDFAST_TEST_NESTED", "${HOLDFAST_TEST_SET}"};
};

TEST_F(Interpolate, Replaces) {
  const std::pair<const char*, const char*> cases[] = {
      {"plain", "plain"},
      {"", ""},
      {"a ${HOLDFAST_TEST_SET} b", "a value b"},
      {"${HOLDFAST_TEST_SET}${HOLDFAST_TEST_SET}", "valuevalue"},
      {"${HOLDFAST_TEST_EMPTY}", ""},
      {"${HOLDFAST_TEST_SET:-other}", "value"},
      {"${HOLDFAST_TEST_UNSET:-other}", "other"},
      {"${HOLDFAST_TEST_EMPTY:-other}", "other"},
      {"${HOLDFAST_TEST_UNSET:-}", ""},
      {"${HOLDFAST_TEST_UNSET:-a:-b}", "a:-b"},
      {"$HOLDFAST_TEST_SET $ $$ $5", "$HOLDFAST_TEST_SET $ $$ $5"},
      {"$${HOLDFAST_TEST_SET}", "${HOLDFAST_TEST_SET}"},
      {"$${", "${"},
      {"${HOLDFAST_TEST_NESTED}", "${HOLDFAST_TEST_SET}"},
  };
  for (const auto& [given, expected] : cases) EXPECT_EQ(interpolate(given).text, expected) << given;
}

TEST_F(Interpolate, SaysWhetherAnythingWasReplaced) {
  EXPECT_TRUE(interpolate("${HOLDFAST_TEST_SET}").replaced);
  EXPECT_FALSE(interpolate("$${HOLDFAST_TEST_SET}").replaced);
}

TEST_F(Interpolate, AnUnsetVariableIsNamed) {
  const auto error = error_of([] { interpolate("${HOLDFAST_TEST_UNSET}"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::kInvalid);
  EXPECT_EQ(error->message(), "the environment variable HOLDFAST_TEST_UNSET is not set");
  EXPECT_EQ(error->hint(), "set it, or give a default: ${HOLDFAST_TEST_UNSET:-value}");
}

TEST_F(Interpolate, MalformedReferences) {
  for (const char* text : {"${", "${A", "${}", "${1A}", "${A B}", "${A-b}", "${:-x}", "${a${b}}"}) {
    const auto error = error_of([&] { interpolate(text); });
    ASSERT_TRUE(error) << text;
    EXPECT_EQ(error->code(), Code::kInvalid) << text;
  }
}

}  // namespace
}  // namespace holdfast
