#include "objective/assertion.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace holdfast {
namespace {

const Timestamp kNow = parse_rfc3339("2025-11-10T12:00:00Z");

bool holds(std::string_view expect, std::string_view answer) {
  return !assertion_failure(expect, {{std::string(answer)}}, kNow);
}

const AnswerRows kNullRow = {{std::nullopt}};
const AnswerRows kNoRows = {};

bool holds_of(std::string_view expect, const AnswerRows& answer) {
  return !assertion_failure(expect, answer, kNow);
}

TEST(Assertion, AValueIsComparedAsANumberIfBothAre) {
  EXPECT_TRUE(holds("7", "7"));
  EXPECT_TRUE(holds("7", "7.0"));
  EXPECT_TRUE(holds("= 7", " 7 "));
  EXPECT_FALSE(holds("7", "8"));
  EXPECT_FALSE(holds("7", ""));
  EXPECT_TRUE(holds("t", "t"));
  EXPECT_FALSE(holds("t", "f"));
  EXPECT_FALSE(holds("t", "true"));
  EXPECT_TRUE(holds("ä b", "ä b"));
  // No numbers of their own.
  EXPECT_FALSE(holds("nan", "inf"));
  EXPECT_TRUE(holds("= ", ""));
  EXPECT_FALSE(holds("= ", "0"));
}

TEST(Assertion, Unequal) {
  EXPECT_TRUE(holds("!= 0", "1"));
  EXPECT_FALSE(holds("!= 0", "0.0"));
  EXPECT_TRUE(holds("!= x", "y"));
  EXPECT_FALSE(holds("!= x", "x"));
  EXPECT_TRUE(holds("!= 0", ""));
}

TEST(Assertion, NullAndNoRowAreNoAnswerUnlessTheyAreExpected) {
  for (const AnswerRows& none : {kNullRow, kNoRows, AnswerRows{{}}}) {
    for (const char* expect : {"!= 5", "!= x", "= ", "", "5", "> 0", "< 5", "within 1h"}) {
      EXPECT_FALSE(holds_of(expect, none)) << expect;
    }
  }
  for (const char* expect : {"null", "NULL", "= null"}) {
    EXPECT_TRUE(holds_of(expect, kNullRow)) << expect;
    EXPECT_FALSE(holds_of(expect, kNoRows)) << expect;
    EXPECT_FALSE(holds(expect, "null")) << expect;  // a text
    EXPECT_FALSE(holds(expect, "")) << expect;
  }
  EXPECT_TRUE(holds("!= null", "0"));
  EXPECT_FALSE(holds_of("!= null", kNullRow));
  EXPECT_FALSE(holds_of("!= null", kNoRows));
  EXPECT_TRUE(holds_of("no row", kNoRows));
  EXPECT_FALSE(holds_of("no row", kNullRow));
  EXPECT_FALSE(holds("no row", "no row"));
  EXPECT_TRUE(holds_of("!= no row", kNullRow));
  EXPECT_TRUE(holds("!= no row", "1"));
  EXPECT_FALSE(holds_of("!= no row", kNoRows));
  EXPECT_EQ(answer_text(kNullRow), "NULL");
  EXPECT_EQ(answer_text(kNoRows), "no row");
  EXPECT_EQ(assertion_failure("!= 5", kNoRows, kNow),
            "the answer is no row, which is no value, expected != 5");
}

TEST(Assertion, BoundsAreForNumbersAlone) {
  EXPECT_TRUE(holds("> 0", "0.5"));
  EXPECT_FALSE(holds("> 0", "0"));
  EXPECT_TRUE(holds(">= 0", "0"));
  EXPECT_FALSE(holds(">= 0", "-1"));
  EXPECT_TRUE(holds("< 10", "9"));
  EXPECT_FALSE(holds("< 10", "10"));
  EXPECT_TRUE(holds("<=10", "10"));
  EXPECT_FALSE(holds("<=10", "11"));
  EXPECT_TRUE(holds("  >  9  ", "10"));  // not as texts
  for (const char* answer : {"", "many", "1 row", "nan", "inf"}) {
    EXPECT_FALSE(holds("> 0", answer)) << answer;
    EXPECT_FALSE(holds("< 5", answer)) << answer;
  }
}

TEST(Assertion, TimesAsDatabasesPrintThem) {
  for (const char* recent :
       {"2025-11-10 11:30:00+00", "2025-11-10 11:30:00.123456+00", "2025-11-10 06:30:00-05",
        "2025-11-10 17:00:00+05:30", "2025-11-10 11:30:00", "2025-11-10T11:30:00Z",
        "2025-11-10 12:10:00+00"}) {
    EXPECT_TRUE(holds("within 1h", recent)) << recent;
  }
  for (const char* old :
       {"2025-11-10 10:59:59+00", "2025-11-10 11:30:00+01", "2025-11-09 11:30:00", "2025-11-10", "",
        "now", "5", "2025-11-10 12:30:00", "2025-11-10 17:00:00"}) {
    EXPECT_FALSE(holds("within 1h", old)) << old;
  }
  EXPECT_TRUE(holds("within 60m", "2025-11-10 11:00:00+00"));
}

TEST(Assertion, AFailureSaysWhatCameAndWhatWasExpected) {
  const auto value = assertion_failure("> 100", {{"7"}}, kNow);
  ASSERT_TRUE(value);
  EXPECT_NE(value->find("'7'"), std::string::npos) << *value;
  EXPECT_NE(value->find("> 100"), std::string::npos) << *value;
  const auto time = assertion_failure("within 1h", {{"2025-11-10 10:00:00+00"}}, kNow);
  ASSERT_TRUE(time);
  EXPECT_NE(time->find("2h"), std::string::npos) << *time;
  // Not what would upset a terminal.
  const auto control = assertion_failure("x", {{"a\x1b[2Jb"}}, kNow);
  ASSERT_TRUE(control);
  EXPECT_EQ(control->find('\x1b'), std::string::npos) << *control;
}

TEST(Assertion, WhatCannotBeJudgedIsSaidBefore) {
  for (const char* good :
       {"7", "t", "> 0", "<= -1.5", "!= x", "within 1h", "within 2d", "", "null", "!= no row"}) {
    EXPECT_NO_THROW(check_expectation(good)) << good;
  }
  for (const char* bad : {"> many", ">=", "< ", "within soon", "within 1"}) {
    try {
      check_expectation(bad);
      ADD_FAILURE() << bad;
    } catch (const Error& error) {
      EXPECT_NE(error.code(), Code::kInternal) << bad;
    }
  }
}

}  // namespace
}  // namespace holdfast
