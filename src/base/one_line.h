// The words of other programs in our messages.
#pragma once

#include <string>
#include <string_view>

namespace holdfast {

// What a server or another program said, as a part of one line: white space, line breaks too, as
// one space, and none at its ends; the rest as printable() has it.
std::string one_line(std::string_view text);

}  // namespace holdfast
