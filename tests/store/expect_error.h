// Checks of the code of a thrown Error.
#pragma once

#include <gtest/gtest.h>

#include <optional>

#include "base/error.h"

namespace holdfast {

// The Error that `action` throws, or nothing.
template <typename Action>
std::optional<Error> error_of(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

template <typename Action>
void expect_error(Code code, const Action& action) {
  const auto error = error_of(action);
  ASSERT_TRUE(error.has_value()) << "no error was thrown";
  EXPECT_EQ(error->code(), code) << error->what();
}

}  // namespace holdfast
