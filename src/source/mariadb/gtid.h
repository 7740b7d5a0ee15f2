// MariaDB's global transaction ids, DOMAIN-SERVER-SEQUENCE, and positions made of them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace holdfast {

struct Gtid {
  std::uint32_t domain = 0;
  std::uint32_t server = 0;
  std::uint64_t sequence = 0;
  auto operator<=>(const Gtid&) const = default;
};

// Throws Error(kInvalid) for what is not "0-1-42".
Gtid parse_gtid(std::string_view text);
std::string to_text(const Gtid& gtid);

// The last transaction of each domain, as in gtid_slave_pos.
class GtidPosition {
 public:
  GtidPosition() = default;
  // "0-1-42,5-2-7", spaces and line breaks around the commas; empty: the beginning. Throws
  // Error(kInvalid), also for a domain that comes twice.
  explicit GtidPosition(std::string_view text);

  std::string text() const;  // sorted by domain
  bool empty() const { return last_.empty(); }
  // A transaction that follows: becomes the last one of its domain.
  void advance(const Gtid& gtid) { last_[gtid.domain] = gtid; }
  // All of another position that follows; domains that it lacks stay.
  void advance(const GtidPosition& later) {
    for (const auto& [domain, gtid] : later.last_) last_[domain] = gtid;
  }
  // True when the transaction lies at or before this position. Sequence numbers of a domain rise.
  bool contains(const Gtid& gtid) const;
  // True when all of `other` lies at or before this position.
  bool contains(const GtidPosition& other) const;
  const std::map<std::uint32_t, Gtid>& domains() const { return last_; }
  bool operator==(const GtidPosition&) const = default;

 private:
  std::map<std::uint32_t, Gtid> last_;
};

}  // namespace holdfast
