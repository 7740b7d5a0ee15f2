// What the name service says of a host.
#pragma once

#include <string>
#include <string_view>

namespace holdfast {

// True when the name service answered that there is no such host; false when there is one, and when
// no answer can be had now. May block as long as a resolver does.
bool is_unknown_host(const std::string& name);

// Stands in the messages of HttpClient's errors about such a host.
inline constexpr std::string_view kNoSuchHost = "there is no host of this name";

}  // namespace holdfast
