// What the members of a tar archive meet in a directory, found out before tar writes there.
#pragma once

#include <cstdint>
#include <exception>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "os/file.h"
#include "os/process_stream.h"

namespace holdfast {

struct ListedMember {
  char type = '-';         // as `ls -l` has it; 'h': a hard link
  std::uint64_t size = 0;  // bytes, of files
  std::int64_t time = 0;   // seconds since 1970, of the last change
  std::string path;        // without '/' at its ends
  std::string link;        // of links: where they lead
};

// Of a line of `tar --list --verbose --full-time --quoting-style=c` in UTC. Throws Error(kInvalid)
// for any other.
ListedMember parse_listed_member(std::string_view line);

// Has tar list an archive that is fed to it, and looks below `target` for each member.
class TarPreflight {
 public:
  // `selection`: options and names that choose and rename members, as for the extraction.
  TarPreflight(const std::string& target, const std::vector<std::string>& selection,
               std::stop_token stop);
  ~TarPreflight();
  TarPreflight(const TarPreflight&) = delete;
  TarPreflight& operator=(const TarPreflight&) = delete;

  void write(ByteView plain);
  // The paths of those where another thing than the member is, in order: a file of another size or
  // time, say. Throws kConflict when the way to one leads over a symlink, which tar would follow,
  // out of the target maybe; kInvalid with what tar said, when it does not find all that was
  // chosen, or when a line of its list cannot be read.
  std::vector<std::string> finish();

 private:
  void look();
  void end();

  const std::string target_;
  Fd listing_;  // tar writes its lines into one end of a pipe ...
  Fd lines_;    // ... and this is the other
  std::vector<std::string> differing_;
  std::exception_ptr failure_;
  std::optional<ProcessStream> tar_;
  bool reading_ = true;
  std::thread looking_;
};

}  // namespace holdfast
