#include "base/path.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"

namespace holdfast {

std::strong_ordering compare_paths(std::string_view a, std::string_view b) {
  const std::size_t common = std::min(a.size(), b.size());
  const auto [at_a, at_b] =
      std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(common), b.begin());
  if (at_a == a.begin() + static_cast<std::ptrdiff_t>(common)) return a.size() <=> b.size();
  const auto rank = [](char c) {
    return c == '/' ? -1 : static_cast<int>(static_cast<unsigned char>(c));
  };
  return rank(*at_a) <=> rank(*at_b);
}

bool is_within(std::string_view path, std::string_view ancestor) {
  if (ancestor.empty()) return true;
  return path.starts_with(ancestor) &&
         (path.size() == ancestor.size() || path[ancestor.size()] == '/');
}

std::string_view parent_path(std::string_view path) {
  const auto slash = path.find_last_of('/');
  return slash == std::string_view::npos ? std::string_view{} : path.substr(0, slash);
}

std::string_view base_name(std::string_view path) {
  const auto slash = path.find_last_of('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string join_path(std::string_view directory, std::string_view name) {
  if (directory.empty()) return std::string(name);
  std::string joined;
  joined.reserve(directory.size() + 1 + name.size());
  joined.append(directory).append("/").append(name);
  return joined;
}

std::string stored_path(std::string_view given) {
  if (given.find('\0') != std::string_view::npos) {
    throw Error(Code::kInvalid, "a path cannot contain a NUL byte");
  }
  if (given.empty()) throw Error(Code::kInvalid, "the path is empty");
  std::filesystem::path path{std::string(given)};
  if (path.is_relative()) path = std::filesystem::current_path() / path;
  std::string text = path.lexically_normal().string();
  while (!text.empty() && text.back() == '/') text.pop_back();
  return text.empty() ? text : text.substr(1);
}

}  // namespace holdfast
