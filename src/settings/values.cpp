#include "settings/values.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/human.h"
#include "base/path.h"
#include "settings/defaults.h"

namespace holdfast {
namespace {

std::string expand_home(const Field& field, const std::string& path) {
  if (!path.starts_with("~/")) return path;
  const std::string home = home_directory();
  if (home.empty()) field.fail("there is no home directory for '~'", "write the absolute path");
  return home + path.substr(1);
}

}  // namespace

std::string read_path(const Field& field) {
  const std::string path = field.text();
  if (!path.starts_with('/') && !path.starts_with("~/")) {
    field.fail(fmt::format("'{}' is not an absolute path", printable(path)),
               "paths start with / or ~/");
  }
  return expand_home(field, path);
}

std::string read_url(const Field& field) {
  const std::string url = field.text();
  if (url.find("://") != std::string::npos) return url;
  return read_path(field);
}

std::string store_place(std::string_view url) {
  constexpr std::string_view kFile = "file://";
  if (url.starts_with(kFile)) url.remove_prefix(kFile.size());
  if (url.find("://") == std::string_view::npos) return "/" + stored_path(url);
  while (url.ends_with('/')) url.remove_suffix(1);
  return std::string(url);
}

std::string read_name(const Field& field) {
  const std::string name = field.text();
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  if (name.size() > 63 || name[0] == '-' || !std::all_of(name.begin(), name.end(), allowed)) {
    field.fail(fmt::format("'{}' is not a valid name", printable(name)),
               "names have up to 63 lower-case letters, digits and dashes and do not start with a "
               "dash");
  }
  return name;
}

std::string read_storage_class(const Field& field) {
  std::string name = field.text();
  const auto allowed = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  };
  if (name.size() > 64 || !std::all_of(name.begin(), name.end(), allowed)) {
    field.fail(fmt::format("'{}' is not a storage class", printable(name)),
               "write the provider's name for it, for example STANDARD_IA");
  }
  return name;
}

Duration read_between(const Field& field, Duration least, Duration most, std::string_view range) {
  const Duration duration = field.duration();
  if (duration < least || duration > most) {
    field.fail(fmt::format("'{}' is not from {}", field.text(), range));
  }
  return duration;
}

void refuse_word(const Field& field, std::string_view word, Keys known) {
  field.fail(fmt::format("'{}' is not allowed here", printable(word)),
             suggest_word(word, known, "value"));
}

}  // namespace holdfast
