// The local time of a server's host. Statements in a binary log may mean it (time_zone = SYSTEM),
// and a server tells no name for it that another host would understand.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace holdfast {

class MariadbConnection;

// From `from` on, in seconds of Unix time, local time is `offset` seconds ahead of UTC.
struct ZoneChange {
  std::int64_t from = 0;
  std::int32_t offset = 0;
  bool operator==(const ZoneChange&) const = default;
};

// In order, at least one; what comes before the first one is as from it on.
using SystemZone = std::vector<ZoneChange>;

// Where MariadbServer::settings has it, as zone_text().
inline constexpr const char* kSystemZone = "system_time_zone_changes";

// Asks the server for all times that a TIMESTAMP of most versions has, 1970 to 2038, since not only
// the present is converted; a change that is taken back within a week is not found. The session is
// in UTC afterwards. Throws as query() does, kInvalid when the server gives no answer.
SystemZone read_system_zone(MariadbConnection& connection);

// "1764288000:-18000 1772953200:-14400", and back. Throws kCorrupt for what is no such text.
std::string zone_text(const SystemZone& zone);
SystemZone parse_zone(std::string_view text);

// As a file that the C library takes for a time zone: TZ=":/its/path" (TZif, RFC 8536).
Bytes zone_file(const SystemZone& zone);

}  // namespace holdfast
