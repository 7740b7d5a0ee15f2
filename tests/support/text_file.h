// What a file says.
#pragma once

#include <fstream>
#include <sstream>
#include <string>

namespace holdfast {

// Empty where there is none.
inline std::string text_of_file(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace holdfast
