// The moments that a database's log adds to its backups, for people and for programs.
#pragma once

#include <string>

#include "cli/output.h"
#include "protect/log_span.h"

namespace holdfast {

// From when to when, and what is wrong with it, a line each.
std::string span_text(const LogSpan& span);
// What is wrong alone, and what to do about it; "": nothing.
std::string span_trouble(const LogSpan& span);
Json span_json(const LogSpan& span);

}  // namespace holdfast
