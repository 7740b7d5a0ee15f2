// Global transaction ids, DOMAIN-SERVER-SEQUENCE of MariaDB and UUID:NUMBER of MySQL, and positions
// made of them. A log has ids of one kind only.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "source/mariadb/mysql_gtid_set.h"

namespace holdfast {

struct Gtid {
  std::uint32_t domain = 0;
  std::uint32_t server = 0;
  std::uint64_t sequence = 0;
  // Of MySQL, where neither domain nor server say anything: "UUID", "UUID:tag". Else empty.
  std::string source = {};
  auto operator<=>(const Gtid&) const = default;
};

// Throws Error(kInvalid) for what is neither "0-1-42" nor "UUID:42".
Gtid parse_gtid(std::string_view text);
std::string to_text(const Gtid& gtid);

// How far a log has come. Of MariaDB: the last transaction of each domain, as in gtid_slave_pos. Of
// MySQL: all transactions until there, as in gtid_executed.
class GtidPosition {
 public:
  GtidPosition() = default;
  // "0-1-42,5-2-7" or "UUID:1-42", spaces and line breaks around the commas; empty: the beginning.
  // Throws Error(kInvalid), also for a domain that comes twice.
  explicit GtidPosition(std::string_view text);
  explicit GtidPosition(MysqlGtidSet set) : set_(std::move(set)) {}

  std::string text() const;  // sorted by domain or UUID
  bool empty() const { return last_.empty() && set_.empty(); }
  // A transaction that follows: becomes the last one of its domain.
  void advance(const Gtid& gtid);
  // All of another position that follows; domains that it lacks stay.
  void advance(const GtidPosition& later);
  // True when the transaction lies at or before this position. Sequence numbers of a domain rise.
  bool contains(const Gtid& gtid) const;
  // True when all of `other` lies at or before this position.
  bool contains(const GtidPosition& other) const;

  // What follows speaks of the domains (of MySQL: servers) that both positions know.
  // They are at the same place in all of them.
  bool agrees_with(const GtidPosition& other) const;
  // In none this one is behind `later`.
  bool is_within(const GtidPosition& later) const;
  // In some this one is before `later`.
  bool is_short_of(const GtidPosition& later) const;
  // A log that has come to `wanted` stands exactly there, in each domain of it.
  bool stands_at(const GtidPosition& wanted) const;

  const std::map<std::uint32_t, Gtid>& domains() const { return last_; }  // of MariaDB
  bool operator==(const GtidPosition&) const = default;

 private:
  // False when it is false of one of the domains that both know.
  template <typename IsIt>
  bool all_shared(const GtidPosition& other, const IsIt& is_it) const;

  // One of them is empty.
  std::map<std::uint32_t, Gtid> last_;
  MysqlGtidSet set_;
};

}  // namespace holdfast
