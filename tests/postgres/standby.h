// A standby of a server, made the way that users make one.
#pragma once

#include "postgres/shop.h"

namespace holdfast {

// Starts `standby` on the newest backup of `shop`; it streams from `primary` when this returns.
void start_standby(const Shop& shop, const PostgresServer& primary, PostgresServer& standby);

}  // namespace holdfast
