// The log of databases in a vault: files go in once, and come back whole or in pieces.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "codec/compress.h"
#include "vault/log_object.h"
#include "vault/vault.h"

namespace holdfast {

// True when it was stored now, false when the same bytes are there already: then nothing was
// written, and what `facts` (a JSON object) says now is not kept. The file is durable in the store
// when this returns. Needs as much memory as the content, twice. Throws Error: kConflict when
// other bytes have that name, kCorrupt when what has it cannot be read, kDenied for a key that
// cannot write, and what the store throws. Thread-safe.
bool store_log(const Vault& vault, const LogName& name, ByteView content,
               const std::string& facts = "{}", int level = kDefaultCompression);

// Removes the pieces of a file whose whole is stored; what is locked or cannot be removed stays.
// Returns how many are gone. Does nothing while the whole is absent. Throws when listing fails.
std::size_t remove_log_pieces(const Vault& vault, const LogName& whole);

// A file as the archive has it.
struct LogFile {
  Bytes bytes;
  bool whole = true;  // false: put together from pieces, as far as they reach
  // There are pieces behind a part that is missing; `bytes` ends there.
  bool gap = false;
};

// Nothing when a complete listing shows neither the file nor a piece of it; every other reason not
// to have it throws: kCorrupt (also when there are pieces and none from offset 0), kDenied for a
// key that cannot read, and what the store throws. Thread-safe.
std::optional<LogFile> read_log(const Vault& vault, const LogName& whole);

struct FetchedLog {
  std::uint64_t size = 0;  // of the file on disk
  bool whole = true;
  bool gap = false;
};

// read_log() into a file: written beside it, synced, renamed. A file that is not whole is filled
// with zeros to the size that `padded_size` gives for what there is; unset: it is not.
std::optional<FetchedLog> fetch_log(
    const Vault& vault, const LogName& whole, const std::string& path,
    const std::function<std::uint64_t(ByteView start)>& padded_size = {});

// The first key that starts with `prefix`, without listing the others.
std::optional<std::string> first_key(ObjectStore& store, const std::string& prefix);

// Throws Error(kConflict) when the source has a log, but none of this stream: another server has
// its name.
void check_log_stream(ObjectStore& store, const std::string& source, const std::string& stream);

}  // namespace holdfast
