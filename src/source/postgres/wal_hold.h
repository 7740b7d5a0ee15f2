// A session at the server that a physical backup goes through.
#pragma once

#include <stop_token>
#include <string>

#include "source/postgres/cluster.h"

namespace holdfast {

// From the moment that it is made, a temporary replication slot keeps the server's WAL until the
// end of this object. One thread at a time.
class PgWalHold {
 public:
  // Throws kDenied, kExhausted (no free slot), kConflict (wal_level too low), each with what to do.
  PgWalHold(const PostgresSettings& settings, std::stop_token stop);

  PgConnection& connection() { return connection_; }
  const PgCluster& cluster() const { return cluster_; }
  const std::string& slot() const { return slot_; }

  // True when the files of this very server, not of another one with the same paths (a standby is a
  // true copy), can be read on this host: the slot, whose name is random, is among them. All of
  // them: the places of tablespaces, too.
  bool files_are_here() const;

  // Gives the slot back at once: the server ends a session, and frees what it had, in its own time.
  // What comes after has no hold.
  void release();

 private:
  void make_slot();

  PgConnection connection_;
  PgCluster cluster_;
  std::string slot_;
};

}  // namespace holdfast
