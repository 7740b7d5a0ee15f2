// Entries as bytes: docs/FORMAT.md, "Trees".
#pragma once

#include "base/wire.h"
#include "vault/entry.h"

namespace holdfast {

// Appends `entry` with the number of data chunks that its content has.
void encode_entry(const Entry& entry, std::uint64_t chunks, Bytes& out);

struct DecodedEntry {
  Entry entry;
  std::uint64_t chunks = 0;
};
// Reads one entry. Throws Error(kCorrupt) on anything that encode_entry does not make, paths that
// leave the tree ("..", empty parts, NUL) included.
DecodedEntry decode_entry(WireReader& in);

}  // namespace holdfast
