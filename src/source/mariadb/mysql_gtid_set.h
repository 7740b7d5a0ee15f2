// Sets of MySQL's global transaction ids, "UUID:1-42:50,UUID:tag:1-3".
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

// True for what a source of MySQL's ids looks like at its beginning: a UUID.
bool begins_with_uuid(std::string_view text);

// Numbers from `first` to `last`, both included.
struct MysqlGtidInterval {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  bool operator==(const MysqlGtidInterval&) const = default;
};

// Which transactions of which source: a server's UUID, with MySQL 8.3 and later maybe a tag
// ("UUID:tag"), in lower case. Numbers begin with 1.
class MysqlGtidSet {
 public:
  MysqlGtidSet() = default;
  // As servers write it, also with blanks and line breaks around commas; empty: nothing. Throws
  // Error(kInvalid).
  explicit MysqlGtidSet(std::string_view text);

  std::string text() const;  // sorted by source
  bool empty() const { return sources_.empty(); }

  // Throws Error(kInvalid) for an interval of none.
  void add(const std::string& source, MysqlGtidInterval added);
  void add(const MysqlGtidSet& other);

  bool contains(const std::string& source, std::uint64_t number) const;
  bool contains(const MysqlGtidSet& other) const;

  // What follows speaks of the sources that both have.
  // The same transactions.
  bool agrees_with(const MysqlGtidSet& other) const;
  // No transaction that `other` lacks.
  bool is_within(const MysqlGtidSet& other) const;
  // Of some source fewer transactions than `other`, and none besides.
  bool is_short_of(const MysqlGtidSet& other) const;

  // The last transaction of each source of `wanted` is the last one here, too.
  bool ends_as(const MysqlGtidSet& wanted) const;

  bool operator==(const MysqlGtidSet&) const = default;

 private:
  // Sorted, neither empty nor touching each other.
  using Intervals = std::vector<MysqlGtidInterval>;
  static bool covers(const Intervals& intervals, const Intervals& others);
  // False when it is false of one of the sources that both have.
  template <typename IsIt>
  bool all_shared(const MysqlGtidSet& other, const IsIt& is_it) const;

  std::map<std::string, Intervals> sources_;
};

}  // namespace holdfast
