// Looks at data pages as a backup reads them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "os/mutex.h"
#include "source/postgres/lsn.h"

namespace holdfast {

// For a cluster with checksums. Thread-safe.
class PgPageWatch {
 public:
  // `since`: where the backup starts; pages changed later are replaced by redo.
  explicit PgPageWatch(Lsn since) : since_(since) {}

  // Content of the relation file `file` from `offset` on, both multiples of a page but for the end
  // of the file.
  void look(const std::string& file, std::uint64_t offset, ByteView content);

  // To be called once all is read, with the end of the log by then. Looks again at every page that
  // did not match, as one that was just being written does now. Returns what is wrong: "base/5/1249
  // block 7: ...", at most the first kMostFindings and a count.
  std::vector<std::string> findings(Lsn end) const;
  std::uint64_t pages() const;

 private:
  struct Suspect {
    std::string file;
    std::uint64_t offset = 0;
  };

  const Lsn since_;
  mutable Mutex mutex_;
  std::vector<Suspect> suspects_ GUARDED_BY(mutex_);
  std::uint64_t more_suspects_ GUARDED_BY(mutex_) = 0;
  std::uint64_t pages_ GUARDED_BY(mutex_) = 0;
};

}  // namespace holdfast
