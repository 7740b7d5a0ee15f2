// The code of the Error that something throws.
#pragma once

#include <optional>

#include "base/error.h"

namespace holdfast {

template <typename Action>
std::optional<Code> thrown_by(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  return std::nullopt;
}

}  // namespace holdfast
