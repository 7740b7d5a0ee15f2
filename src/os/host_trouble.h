// Telling what a server could not do from what it was given.
#pragma once

#include <string_view>

namespace holdfast {

// Whether a line of a server's log complains of this host: no memory, no space, no more files or
// processes. The line is in the C locale's language.
bool names_host_trouble(std::string_view line);

}  // namespace holdfast
