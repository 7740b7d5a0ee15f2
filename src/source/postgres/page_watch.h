// Looks at data pages as a backup reads them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "os/mutex.h"
#include "source/postgres/lsn.h"
#include "source/postgres/page_checksum.h"

namespace holdfast {

struct PgPageFindings {
  std::uint64_t count = 0;         // damaged pages
  std::vector<std::string> texts;  // "base/5/1249 block 7: ...": the first ones, then how many more
};

// For a cluster with checksums. Thread-safe.
class PgPageWatch {
 public:
  // `since`: where the backup starts; pages changed later are replaced by redo. `files_are_here`:
  // what did not match can be read again; else who sends the pages has done so.
  PgPageWatch(Lsn since, bool files_are_here) : since_(since), files_are_here_(files_are_here) {}

  // Content of the relation file `file` from `offset` on, both multiples of a page but for the end
  // of the file. False when a page of it is suspect.
  bool look(const std::string& file, std::uint64_t offset, ByteView content);

  // To be called once all is read, with the end of the log by then. Looks again at every page that
  // did not match, as one that was just being written does now.
  PgPageFindings findings(Lsn end) const;
  std::uint64_t pages() const;

 private:
  struct Suspect {
    std::string file;
    std::uint64_t offset = 0;
    PageVerdict verdict = PageVerdict::kOk;
    Lsn changed = 0;
  };

  PageVerdict judge(const Suspect& suspect, Lsn end) const;

  const Lsn since_;
  const bool files_are_here_;
  mutable Mutex mutex_;
  std::vector<Suspect> suspects_ GUARDED_BY(mutex_);
  std::uint64_t more_suspects_ GUARDED_BY(mutex_) = 0;
  std::uint64_t pages_ GUARDED_BY(mutex_) = 0;
};

}  // namespace holdfast
