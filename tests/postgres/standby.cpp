#include "postgres/standby.h"

namespace holdfast {

void start_standby(const Shop& shop, const PostgresServer& primary, PostgresServer& standby) {
  shop.restore(standby, {"--as", "standby", "--primary",
                         "host=" + primary.socket_directory() + " user=postgres"});
  standby.configure({"archive_mode = off", "hot_standby = on"});
  standby.start();
  standby.wait_for("SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'", "1");
}

}  // namespace holdfast
