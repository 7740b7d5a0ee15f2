// What the answer of a database must be.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace holdfast {

// Nothing when `answer` is what `expect` asks for, else why not. `expect` is "> N", ">= N", "< N",
// "<= N", "!= VALUE", "= VALUE" or VALUE; "within 1h" is for a time as a database prints it, which
// must not lie longer than that before `now`, nor half an hour after it. An
// answer without a value is "".
std::optional<std::string> assertion_failure(std::string_view expect, std::string_view answer,
                                             Timestamp now);

// Throws Error(kInvalid) for what cannot be judged.
void check_expectation(std::string_view expect);

}  // namespace holdfast
