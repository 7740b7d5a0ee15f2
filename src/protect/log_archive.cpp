#include "protect/log_archive.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "os/file.h"
#include "store/locks.h"

namespace holdfast {
namespace {

Error other_bytes(const LogName& name, const ObjectStore& store) {
  return {Code::kConflict,
          fmt::format("{} in {} holds other bytes", name.key(), store.traits().url),
          "another server archives under this name, or this one went back in time and on along the "
          "same timeline: give it a source of its own (--source NAME). What is stored stays"};
}

bool is_same(const Vault& vault, const LogName& name, ByteView content) {
  try {
    return is_content(vault.ring(), read_log_header(vault.store(), vault.ring(), name), content);
  } catch (Error& error) {
    if (error.code() == Code::kNotFound) {
      throw Error(Code::kUnavailable, name.key() + " vanished while it was stored",
                  "try again: somebody removes objects from the vault");
    }
    throw;
  }
}

// The pieces of a file, by their beginnings.
std::vector<LogName> pieces_of(ObjectStore& store, const LogName& whole, bool& is_whole) {
  std::vector<LogName> pieces;
  is_whole = false;
  store.list(log_prefix(whole.source, whole.stream) + whole.file, [&](const ObjectInfo& info) {
    const auto name = parse_log_key(info.key);
    if (!name || name->file != whole.file) return;
    if (name->piece) {
      pieces.push_back(*name);
    } else {
      is_whole = true;
    }
  });
  return pieces;
}

std::optional<Bytes> get_if_there(const Vault& vault, const LogName& name) {
  Bytes object;
  try {
    object = vault.store().get(name.key());
  } catch (const Error& error) {
    if (error.code() == Code::kNotFound) return std::nullopt;
    throw;
  }
  return decode_log(object, vault.ring(), name).bytes;
}

// A directory that is not mounted any more is empty, too.
void require_vault(const Vault& vault) {
  if (vault.store().stat("holdfast.json")) return;
  throw Error(Code::kUnavailable, "the vault in " + vault.store().traits().url + " is gone",
              "check that it is mounted, and its address");
}

// Of the pieces that begin at or before `at`, the one that leads furthest beyond it.
const LogName* furthest(const std::vector<LogName>& pieces, std::uint64_t at) {
  const LogName* best = nullptr;
  for (const LogName& name : pieces) {
    if (name.piece->begin > at || name.piece->end <= at) continue;
    if (best == nullptr || name.piece->end > best->piece->end) best = &name;
  }
  return best;
}

// Nothing when a piece vanished: whoever removed it has stored the whole.
std::optional<LogFile> assemble(const Vault& vault, const std::vector<LogName>& pieces) {
  LogFile file;
  file.whole = false;
  while (const LogName* name = furthest(pieces, file.bytes.size())) {
    const auto bytes = get_if_there(vault, *name);
    if (!bytes) return std::nullopt;
    if (bytes->size() != name->piece->end - name->piece->begin) {
      throw Error(Code::kCorrupt, name->key() + " has another length than its name says");
    }
    append(file.bytes, ByteView(*bytes).subspan(file.bytes.size() - name->piece->begin));
  }
  file.gap = std::any_of(pieces.begin(), pieces.end(), [&](const LogName& name) {
    return name.piece->begin > file.bytes.size();
  });
  if (!file.bytes.empty()) return file;
  throw Error(Code::kCorrupt,
              pieces.front().whole().key() + " is there in pieces without its start",
              "look for the missing piece in the copies of the vault, or recover to a point before "
              "this file");
}

}  // namespace

bool store_log(const Vault& vault, const LogName& name, ByteView content, const std::string& facts,
               int level) {
  vault.require_writable();
  const Bytes object = encode_log(vault.ring(), name, content, facts, vault.clock().now(), level);
  if (vault.store().put_new(name.key(), object)) return true;
  if (is_same(vault, name, content)) return false;
  throw other_bytes(name, vault.store());
}

std::size_t remove_log_pieces(const Vault& vault, const LogName& whole) {
  bool is_whole = false;
  std::vector<std::string> keys;
  for (const LogName& piece : pieces_of(vault.store(), whole, is_whole))
    keys.push_back(piece.key());
  if (!is_whole || keys.empty()) return 0;
  std::size_t removed = 0;
  const auto best_effort = [](const auto& action) {
    try {
      action();
    } catch (const Error& error) {
      if (error.code() == Code::kCancelled || error.code() == Code::kInternal) throw;
    }
  };
  best_effort([&] {
    const Locks locks = find_locks(vault.store(), keys);
    std::erase_if(keys, [&](const std::string& key) { return locks.contains(key); });
    for (const std::string& key : keys) {
      best_effort([&] {
        vault.store().remove(key);
        ++removed;
      });
    }
  });
  return removed;
}

std::optional<LogFile> read_log(const Vault& vault, const LogName& whole) {
  check_log_name(whole);
  constexpr int kRounds = 3;
  for (int round = 0; round < kRounds; ++round) {
    if (auto bytes = get_if_there(vault, whole)) return LogFile{*std::move(bytes), true, false};
    bool is_whole = false;
    const std::vector<LogName> pieces = pieces_of(vault.store(), whole, is_whole);
    if (is_whole) continue;  // stored since
    if (pieces.empty()) {
      require_vault(vault);
      return std::nullopt;
    }
    if (auto file = assemble(vault, pieces)) return file;
  }
  throw Error(Code::kUnavailable, whole.key() + " changed while it was read", "try again");
}

std::optional<FetchedLog> fetch_log(const Vault& vault, const LogName& whole,
                                    const std::string& path,
                                    const std::function<std::uint64_t(ByteView)>& padded_size) {
  auto file = read_log(vault, whole);
  if (!file) return std::nullopt;
  if (!file->whole && padded_size) {
    const std::uint64_t size = padded_size(file->bytes);
    if (size > file->bytes.size()) file->bytes.resize(static_cast<std::size_t>(size));
  }
  write_file_atomic(path, file->bytes, 0600);
  return FetchedLog{file->bytes.size(), file->whole, file->gap};
}

std::optional<std::string> first_key(ObjectStore& store, const std::string& prefix) {
  struct Found {
    std::string key;
  };
  try {
    store.list(prefix, [](const ObjectInfo& info) { throw Found{info.key}; });
  } catch (const Found& found) {
    return found.key;
  }
  return std::nullopt;
}

void check_log_stream(ObjectStore& store, const std::string& source, const std::string& stream) {
  if (first_key(store, log_prefix(source, stream))) return;
  const auto other = first_key(store, log_prefix(source));
  if (!other) return;
  const auto name = parse_log_key(*other);
  throw Error(Code::kConflict,
              fmt::format("the log of {} in {} is of another server: its system identifier is {}, "
                          "and this server's is {}",
                          source, store.traits().url, name ? name->stream : *other, stream),
              "give this server a source of its own: --source NAME");
}

}  // namespace holdfast
