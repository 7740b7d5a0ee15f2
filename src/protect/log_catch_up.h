// The same log in all places of a stream: what one has and another lacks is brought there.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "vault/vault.h"

namespace holdfast {

// A stream writes to one place after the other: one that was killed in between, or that ran without
// a place for a while, leaves log in one that no server sends again. To be called when nothing is
// being uploaded, before a stream goes on where the places end. Copies sealed objects as they are,
// the oldest first; any key that writes will do.
//
// What a place has not had from its own beginning on is not brought, nor a timeline that is older
// than its newest and of which it has nothing: its own retention may have removed that. A place
// that has nothing of the stream gets the newest file alone; the older ones are for holdfast copy.
// What is damaged or in an archive tier wherever it is stays away, and `notify` hears of it, as of
// how many files were brought. Throws what the stores throw (a full one is kUnavailable),
// kCancelled on `stop`.
void catch_up_log(const std::vector<const Vault*>& places, const std::string& source,
                  const std::string& stream, const std::function<void(const std::string&)>& notify,
                  const std::stop_token& stop);

// The same one way, from one vault to another, which is asked first; may run while log is being
// uploaded to both. Throws kUnavailable also when too much was replaced meanwhile: to be called
// again.
void bring_log(const Vault& from, const Vault& to, const std::string& source,
               const std::string& stream, const std::function<void(const std::string&)>& notify,
               const std::stop_token& stop);

}  // namespace holdfast
