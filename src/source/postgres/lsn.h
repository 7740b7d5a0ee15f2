// Positions in PostgreSQL's write-ahead log.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast {

// Bytes from the beginning of the log; 0 is no position.
using Lsn = std::uint64_t;

// "16/B374D848", as PostgreSQL prints it.
std::string format_lsn(Lsn lsn);
// Two hexadecimal numbers of one to eight digits with a slash between them. Throws Error(kInvalid).
Lsn parse_lsn(std::string_view text);

}  // namespace holdfast
