// A pack that is about to be read.
#pragma once

#include <cstdint>
#include <string>

namespace holdfast {

struct NeededPack {
  std::string key;
  std::uint64_t size = 0;
};

}  // namespace holdfast
