// Why a store is being waited for, for the one who asks when a command is stopped. Any thread.
#pragma once

#include <string>

namespace holdfast {

// What a store's notice says: that it is waited for, or that it answers again.
void note_store_trouble(const std::string& notice);

// The reason of the latest wait; empty when the store has answered since.
std::string store_trouble();

}  // namespace holdfast
