// CRC-32C (Castagnoli), which PostgreSQL's log and manifests carry.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace holdfast {

// The checksum of what `crc` stands for followed by `data`; 0 stands for nothing. Uses the
// processor's instruction where there is one. Any thread.
std::uint32_t crc32c(std::uint32_t crc, ByteView data);

// The same by tables, on every processor.
std::uint32_t crc32c_by_tables(std::uint32_t crc, ByteView data);

}  // namespace holdfast
