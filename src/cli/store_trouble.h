// Why a store is being waited for, for the one who asks when a command is stopped. Any thread.
#pragma once

#include <string>

namespace holdfast {

// Why a store is waited for now; empty: it answers again. See S3Options::outage.
void note_store_trouble(const std::string& why);

// The reason of the latest wait; empty when the store has answered since.
std::string store_trouble();

}  // namespace holdfast
