#include "settings/interpolate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "base/human.h"

namespace holdfast {
namespace {

bool is_name(std::string_view text) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !text.empty() && letter(text[0]) && std::all_of(text.begin(), text.end(), [&](char c) {
    return letter(c) || (c >= '0' && c <= '9');
  });
}

// `reference` is what stands between the braces.
std::string value_of(std::string_view reference) {
  const std::size_t separator = reference.find(":-");
  const std::string name(reference.substr(0, separator));
  if (!is_name(name)) {
    throw Error(Code::kInvalid, fmt::format("'${{{}}}' is malformed", printable(reference)),
                "write ${NAME} or ${NAME:-default}; $${ stands for a literal ${");
  }
  const char* value = std::getenv(name.c_str());
  if (separator != std::string_view::npos) {
    return value != nullptr && *value != '\0' ? value
                                              : std::string(reference.substr(separator + 2));
  }
  if (value == nullptr) {
    throw Error(Code::kInvalid, fmt::format("the environment variable {} is not set", name),
                fmt::format("set it, or give a default: ${{{}:-value}}", name));
  }
  return value;
}

}  // namespace

Interpolated interpolate(std::string_view text) {
  Interpolated out;
  for (std::size_t at = 0; at < text.size();) {
    if (text.substr(at, 3) == "$${") {
      out.text += "${";
      at += 3;
    } else if (text.substr(at, 2) == "${") {
      const std::size_t end = text.find('}', at);
      if (end == std::string_view::npos) {
        throw Error(Code::kInvalid, "'${' without '}'",
                    "write ${NAME} or ${NAME:-default}; $${ stands for a literal ${");
      }
      out.text += value_of(text.substr(at + 2, end - at - 2));
      out.replaced = true;
      at = end + 1;
    } else {
      out.text += text[at++];
    }
  }
  return out;
}

}  // namespace holdfast
