// The checksum in each page of a PostgreSQL data file.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "source/postgres/lsn.h"

namespace holdfast {

inline constexpr std::size_t kDataPage = 8192;
inline constexpr std::uint32_t kBlocksPerFile = 131072;  // files beyond 1 GiB go on in NAME.1, ...

// What belongs into a page's header; `page` has kDataPage bytes. `block` counts from the relation's
// beginning: number of its file * kBlocksPerFile + block in the file.
std::uint16_t page_checksum(ByteView page, std::uint32_t block);

// Where the page was last changed, as its header says; `page` has kDataPage bytes.
Lsn page_lsn(ByteView page);

enum class PageVerdict {
  kNew,  // all zeros: not yet written
  kOk,
  kNewer,  // does not match, but was written since the backup began: torn, redo replaces it
  kBadChecksum,
  kBrokenHeader,  // what the header says is impossible, whether the checksum matches or not
};

// `since`: redo replaces pages that were changed there or later. `until`: no page can have been
// changed there or later (the end of the log when the page was read), so that a damaged header does
// not pass as newer. Only for clusters with checksums.
PageVerdict check_page(ByteView page, std::uint32_t block, Lsn since, Lsn until);

}  // namespace holdfast
