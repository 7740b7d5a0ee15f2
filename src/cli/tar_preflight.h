// What the members of a tar archive would meet in a directory, found out before tar writes there.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "os/process_stream.h"

namespace holdfast {

struct ListedMember {
  char type = '-';         // as `ls -l` has it; 'h': a hard link
  std::uint64_t size = 0;  // bytes, of files
  std::int64_t time = 0;   // seconds since 1970, of the last change
  std::string path;        // without a '/' at its end
};

// Of a line of `tar --list --verbose --full-time --quoting-style=c` in UTC; nothing for one that is
// no member's.
std::optional<ListedMember> parse_listed_member(std::string_view line);

// The members of an archive that is fed to it, in a file.
class TarListing {
 public:
  // `selection`: options and names that choose and rename members, as for the extraction.
  TarListing(const std::string& file, const std::vector<std::string>& selection,
             std::stop_token stop);
  void write(ByteView plain);
  // Throws kInvalid with what tar said, when it does not find all that was chosen.
  void finish();

 private:
  ProcessStream tar_;
  bool reading_ = true;
};

// Looks below `target` for each member of the listing in `file`. Returns the paths of those where
// another thing than the member is, in order: not a file of that size and time, for one. Throws
// kConflict when the way to one leads over a symlink, which tar would follow, out of the target
// maybe.
std::vector<std::string> differing_members(const std::string& file, const std::string& target);

}  // namespace holdfast
