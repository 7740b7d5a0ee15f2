// Notes at a copy of what a copying run had to leave out there: doom objects whose names tell which
// object of the source they are about, so that who has no key understands them, too.
#pragma once

#include <string>
#include <string_view>

namespace holdfast {

// The key of the note about the object `left_out`: "doom/" and 32 hex digits.
std::string copy_mark(std::string_view left_out);
// Whether `key` is such a note, about whatever object.
bool is_copy_mark(std::string_view key);

}  // namespace holdfast
