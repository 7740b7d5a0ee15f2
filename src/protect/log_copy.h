// What a copy of a vault does about logs, which several may write in both places: docs/FORMAT.md,
// "Log objects".
#pragma once

#include <stop_token>
#include <string>
#include <string_view>

#include "store/object_store.h"

namespace holdfast {

enum class SameLog {
  kNoLog,    // it is no log object, or not readable as one in one of the two places
  kSame,     // one writing: the bytes have to be the same
  kCutOff,   // one writing, and the source has less of it
  kAnother,  // another writing of the same name: its writer has refused other content, and only a
             // key can look into it
};

// Of an object that both stores have. Reads its beginning in both; needs no key.
SameLog compare_logs(ObjectStore& from, ObjectStore& to, std::string_view key);

// Removes from `to` the pieces of log files whose whole is there, and of which `from` has the whole
// and those pieces no longer. What is locked stays, and so does what cannot be removed: the next
// copy sees to it. Returns how many went. Throws when listing fails.
std::size_t remove_replaced_pieces(ObjectStore& from, ObjectStore& to, std::stop_token stop);

// Throws Error(kConflict) while somebody removes log from the store. To be called by who holds a
// lease of his own there, as the other side does.
void refuse_log_removal(ObjectStore& store);

}  // namespace holdfast
