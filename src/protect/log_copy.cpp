#include "protect/log_copy.h"

#include <algorithm>
#include <set>
#include <vector>

#include "base/error.h"
#include "protect/log_retention.h"
#include "store/locks.h"
#include "vault/lease.h"
#include "vault/log_object.h"

namespace holdfast {
namespace {

struct Start {
  std::optional<LogSealing> sealing;
  std::uint64_t size = 0;
};

Start start_of(ObjectStore& store, std::string_view key) {
  const auto info = store.stat(key);
  if (!info || info->size < kLogStartSize) return {};
  Bytes start(kLogStartSize);
  store.read(key, 0, start);
  return {log_sealing(start), info->size};
}

std::set<std::string> log_keys(ObjectStore& store) {
  std::set<std::string> keys;
  store.list("log/", [&](const ObjectInfo& info) { keys.insert(info.key); });
  return keys;
}

}  // namespace

SameLog compare_logs(ObjectStore& from, ObjectStore& to, std::string_view key) {
  if (!parse_log_key(key)) return SameLog::kNoLog;
  const Start a = start_of(from, key);
  const Start b = start_of(to, key);
  if (!b.sealing) return SameLog::kNoLog;
  // What is there is no worse than what could take its place.
  if (!a.sealing) return SameLog::kCutOff;
  // Damage that is in one of the two makes no other writing.
  if (a.sealing->salt != b.sealing->salt && a.sealing->session != b.sealing->session) {
    return SameLog::kAnother;
  }
  return a.size < b.size ? SameLog::kCutOff : SameLog::kSame;
}

std::size_t remove_replaced_pieces(ObjectStore& from, ObjectStore& to, std::stop_token stop) {
  if (!to.traits().can_remove) return 0;
  const std::set<std::string> there = log_keys(to);
  const std::set<std::string> here = log_keys(from);
  std::vector<std::string> keys;
  for (const std::string& key : there) {
    const auto name = parse_log_key(key);
    if (!name || !name->piece || here.contains(key)) continue;
    const std::string whole = name->whole().key();
    if (there.contains(whole) && here.contains(whole)) keys.push_back(key);
  }
  if (keys.empty()) return 0;
  const Locks locks = find_locks(to, keys, stop);
  std::size_t removed = 0;
  for (const std::string& key : keys) {
    if (locks.contains(key)) continue;
    try {
      to.remove(key);
      ++removed;
    } catch (const Error& error) {
      if (error.code() == Code::kCancelled || error.code() == Code::kInternal) throw;
    }
  }
  return removed;
}

void refuse_log_removal(ObjectStore& store) {
  const auto holder = holder_of(store, kLogRemovalLease);
  if (!holder) return;
  throw Error(Code::kConflict, "log is being removed from " + store.traits().url + ": " + *holder,
              "run it again in a minute: what it brings might need that log");
}

}  // namespace holdfast
