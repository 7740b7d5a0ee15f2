// One database out of a dump of several, to be loaded under any name.
#pragma once

#include <string>
#include <string_view>

#include "codec/line_filter.h"

namespace holdfast {

// Passes what comes before the first database, and the part of `database`, without making it or
// going into it. A dump that names no databases passes unchanged. Goes by the headers that
// mariadb-dump puts before each; its rows are never at the beginning of a line.
class MariadbDatabaseFilter final : public LineFilter {
 public:
  // An empty `database`: the only one of the dump.
  MariadbDatabaseFilter(std::string database, ByteSink sink);

  // Whether the dump had the database, or named none. To be asked at the end.
  bool found() const { return found_ || !names_; }
  // Another database than the one that passed came by, though none was chosen.
  bool ambiguous() const { return ambiguous_; }

 private:
  bool passes(std::string_view line) override;
  void enter(std::string_view name);

  std::string database_;
  const bool chosen_;
  bool names_ = false;  // the dump names its databases
  bool inside_ = true;
  bool found_ = false;
  bool ambiguous_ = false;
};

}  // namespace holdfast
