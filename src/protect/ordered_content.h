// The entries of a backup with their content, in the order of the tree: read ahead by several
// threads, given by one. For whoever writes streams.
#pragma once

#include <functional>
#include <span>
#include <stop_token>

#include "vault/chunk_reader.h"
#include "vault/entry.h"

namespace holdfast {

// Takes what was read; called by one thread, in order.
class EntryTaker {
 public:
  virtual ~EntryTaker() = default;
  virtual void entry(const Entry& entry) = 0;
  // More content of the entry given last.
  virtual void content(ByteView data) = 0;
};

// Which entries are given, called by a thread of its own.
using EntryFilter = std::function<bool(const Entry& entry)>;

// Memory: about 4 MiB for each of `threads` + 2 batches, and the frames that `reader` keeps. Throws
// what `taker` throws, kCancelled, and kCorrupt with the path of the entry whose content is lost.
void give_in_order(ChunkReader& reader, const Ref& tree, const EntryFilter& wanted,
                   unsigned threads, EntryTaker& taker, const std::stop_token& stop);

}  // namespace holdfast
