// Whether an archive can be read to its end, and what a restore of it will need.
#pragma once

#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "protect/archive_store.h"
#include "source/mariadb/engine.h"

namespace holdfast {

// Watches a dump in plain SQL pass by. Keeps little of it, whatever its size.
class DumpWatch {
 public:
  void see(ByteView content);

  // Of what was seen, once all of it was.
  std::uint64_t bytes() const { return bytes_; }
  bool is_postgres() const;
  bool is_mariadb() const;
  // It ends as the producer ends a whole dump.
  bool is_complete() const;
  // PostgreSQL: whom the dump gives things to, or rights. They must exist before it is loaded.
  const std::set<std::string>& roles() const { return roles_; }
  // PostgreSQL: 150018 of "-- Dumped from database version 15.18"; 0 when it does not say.
  int server_version() const;
  // MariaDB: "10.11.19" of "-- Server version 10.11.19-MariaDB"; empty when it does not say.
  std::string mariadb_version() const;
  // Of the server, not of the tool that made the dump.
  MariadbEngine mariadb_engine() const;

 private:
  void line(std::string_view text);

  std::string head_;
  std::string tail_;
  std::string line_;        // the beginning of the line that the content stopped in
  bool long_line_ = false;  // it is longer than what is kept of it
  bool in_rows_ = false;    // between COPY and its end
  std::uint64_t bytes_ = 0;
  std::set<std::string> roles_;
};

struct CheckedArchive {
  ArchiveContent content;
  std::optional<DumpWatch> dump;  // of a .sql format
};

// Reads the archive to its end: seal, compression, and the end that its format has. Throws
// kCorrupt, kDenied (sealed for others), kNotFound, kCancelled.
CheckedArchive check_archive(ObjectStore& store, const ArchiveName& name,
                             const std::vector<Key>& identities, std::stop_token stop,
                             const ByteSink& also = {});

}  // namespace holdfast
