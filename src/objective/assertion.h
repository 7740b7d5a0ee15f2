// What the answer of a database must be.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace holdfast {

// What a database answers: rows of values as text; nothing: NULL.
using AnswerRows = std::vector<std::vector<std::optional<std::string>>>;

// Nothing when the first value of `answer` is what `expect` asks for, else why not. `expect` is
// "> N", ">= N", "< N", "<= N", "!= VALUE", "= VALUE" or VALUE; "within 1h" is for a time as a
// database prints it, which must not lie longer than that before `now`, nor half an hour after it.
// NULL and no row are none of these, not even "!= VALUE": "null", "!= null", "no row" and
// "!= no row" ask for them.
std::optional<std::string> assertion_failure(std::string_view expect, const AnswerRows& answer,
                                             Timestamp now);

// The first value for messages; "NULL", "no row".
std::string answer_text(const AnswerRows& answer);

// Throws Error(kInvalid) for what cannot be judged.
void check_expectation(std::string_view expect);

}  // namespace holdfast
