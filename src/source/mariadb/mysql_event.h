// Events that only MySQL writes. The formats: control_events.h and rpl_gtid_set.cc of its source.
#pragma once

#include "source/mariadb/binlog_event.h"
#include "source/mariadb/mysql_gtid_set.h"

namespace holdfast {

// Of kMysqlGtid and kMysqlTaggedGtid. Throws Error(kCorrupt).
Gtid read_mysql_gtid(const BinlogEvent& event);

// All transactions before the file. Throws Error(kCorrupt).
MysqlGtidSet read_mysql_previous_gtids(const BinlogEvent& event);

}  // namespace holdfast
