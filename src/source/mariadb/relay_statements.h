// The statements of a log that MariaDB has applied (place_relay_log).
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

namespace holdfast {

struct RelayStatement {
  std::string_view database;  // its session's
  std::string_view sql;
  bool replicated = false;  // the source has it from a source of its own
};

// All of them in their order, in the clear; views are good for the call. Throws Error(kCorrupt),
// kCancelled.
void for_each_statement(const std::string& received, const std::stop_token& stop,
                        const std::function<void(const RelayStatement&)>& take);

}  // namespace holdfast
