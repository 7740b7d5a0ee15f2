// Reading one pack from end to end.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "vault/chunk_reader.h"

namespace holdfast {

struct PackCheck {
  std::string problem;              // empty: sound
  bool whole_pack_lost = false;     // not even its table of contents can be read
  std::vector<ChunkId> bad_chunks;  // whose copies in this pack cannot be read
  std::uint64_t bytes_read = 0;
  bool content_checked = false;  // frames were opened and chunks compared with their ids
};

// Opens every frame and compares every chunk with its id where the key allows; else compares the
// SHA-256 of the object with its name. Either way every byte is read. Thread-safe; throws only what
// is no matter of the pack (store away, stop).
PackCheck check_pack(const Vault& vault, const Index& index, const std::string& key,
                     std::uint64_t size, std::stop_token stop);

// The object's bytes have the SHA-256 that is its name.
bool is_named_by_hash(const Vault& vault, const std::string& key, std::uint64_t size,
                      const std::stop_token& stop);

}  // namespace holdfast
