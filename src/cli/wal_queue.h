// What waits in pg_wal to be archived, and which of it is stored already: the memory that calls of
// wal-push share. All of it may go at any time: then work is done twice.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "os/file.h"

namespace holdfast {

// Any process, any thread.
class WalQueue {
 public:
  // `directory` is pg_wal; without a `spool` nothing is remembered. Notes about another vault than
  // `vault_url` do not count.
  WalQueue(std::string directory, std::string spool, std::string vault_url);

  std::string path_of(const std::string& name) const;
  // Changes whenever another file has that name, or other content.
  std::string stamp(const std::string& name) const;

  // That the file with that stamp is stored.
  void note(const std::string& name, const std::string& stamp) const;
  // True when there is a note about this very file, which is gone then.
  bool take_note(const std::string& name) const;

  // Those that wait and have no note, oldest first, no more than `limit`; none without a spool.
  // Removes notes about files that wait no longer.
  std::vector<std::string> waiting(std::size_t limit) const;
  std::uint64_t largest(const std::vector<std::string>& names) const;

  // The right to be the one process that stores what waits, as long as the descriptor is open;
  // invalid when another has it, and without a spool.
  Fd begin_work() const;
  // While another process has that right and `name` waits: until there is a note about it, which
  // is taken. False when there will be none.
  bool await(const std::string& name, const std::stop_token& stop) const;

 private:
  std::string note_path(const std::string& name) const { return spool_ + "/" + name + ".ok"; }
  bool is_noted(const std::string& name) const;
  bool is_waiting(const std::string& name) const;
  bool someone_works() const;

  const std::string directory_;
  const std::string spool_;
  const std::string vault_url_;
};

}  // namespace holdfast
