#include "source/mariadb/dump_filter.h"

namespace holdfast {
namespace {

constexpr std::string_view kHeader = "-- Current Database: `";

// The name between backquotes, which are doubled in it.
std::string name_in(std::string_view text) {
  std::string name;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '`') {
      if (i + 1 >= text.size() || text[i + 1] != '`') break;
      ++i;
    }
    name += text[i];
  }
  return name;
}

}  // namespace

MariadbDatabaseFilter::MariadbDatabaseFilter(std::string database, ByteSink sink)
    : LineFilter(std::move(sink)), database_(std::move(database)), chosen_(!database_.empty()) {}

void MariadbDatabaseFilter::enter(std::string_view name) {
  const std::string entered = name_in(name);
  if (!chosen_ && !names_) database_ = entered;
  names_ = true;
  inside_ = entered == database_;
  found_ = found_ || inside_;
  if (!inside_ && !chosen_) ambiguous_ = true;
}

bool MariadbDatabaseFilter::passes(std::string_view line) {
  if (line.starts_with(kHeader)) {
    enter(line.substr(kHeader.size()));
    return false;
  }
  if (!names_) return true;
  return inside_ && !line.starts_with("CREATE DATABASE ") && !line.starts_with("USE `");
}

}  // namespace holdfast
