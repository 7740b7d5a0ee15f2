// Where probes of a store write: below "lease/", as every role may write there.
#pragma once

#include <string_view>

namespace holdfast {

inline constexpr std::string_view kProbeArea = "lease/probe-";

}  // namespace holdfast
