// What a recovery has chosen and finished, so that the same command goes on after an interruption
// even when newer backups have arrived meanwhile.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "vault/ids.h"

namespace holdfast {

// DIRECTORY/.holdfast-recover.json; on disk after every change.
class RecoverRecord {
 public:
  // Reads what an interrupted run left. Throws Error(kConflict) when that was of another vault.
  RecoverRecord(const std::string& directory, const VaultId& vault);

  // The id of the backup that was begun for a source; nothing when none was.
  std::optional<std::string> begun(const std::string& source) const;
  bool is_done(const std::string& source) const;
  const std::string& file() const { return file_; }

  void begin(const std::string& source, const std::string& backup);
  void finish(const std::string& source);
  // Next time the source is chosen anew.
  void forget(const std::string& source);
  // All is done: the record goes.
  void remove();

 private:
  struct Item {
    std::string backup;
    bool done = false;
  };
  void write() const;

  std::string file_;
  std::string vault_;
  std::map<std::string, Item> items_;
};

}  // namespace holdfast
