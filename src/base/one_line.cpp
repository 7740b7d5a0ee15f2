#include "base/one_line.h"

#include <algorithm>

#include "base/human.h"

namespace holdfast {

std::string one_line(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n\v\f";
  std::string line;
  for (std::size_t at = text.find_first_not_of(kBlank); at != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(kBlank, at), text.size());
    if (!line.empty()) line += ' ';
    line += text.substr(at, end - at);
    at = text.find_first_not_of(kBlank, end);
  }
  return printable(line);
}

}  // namespace holdfast
