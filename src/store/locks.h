// Which objects of a store cannot be removed yet.
#pragma once

#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "store/object_store.h"

namespace holdfast {

// Key -> until when it is locked. What is free, or absent, is not in it.
using Locks = std::map<std::string, Timestamp>;

// A request for each key, many at once, where the store knows locks; none elsewhere. Throws what
// locked_until throws, and kCancelled.
Locks find_locks(ObjectStore& store, const std::vector<std::string>& keys,
                 std::stop_token stop = {});

}  // namespace holdfast
