#include "protect/log_repair.h"

#include <set>

#include "base/error.h"
#include "os/mutex.h"
#include "protect/log_check.h"
#include "protect/postgres_log_use.h"
#include "store/at_once.h"
#include "vault/log_object.h"

namespace holdfast {
namespace {

using Policies = std::function<LogPolicy(const std::string& source)>;

bool is_damage(const Error& error) {
  return error.code() == Code::kCorrupt || error.code() == Code::kNotFound;
}

// 0 when damage keeps it from being known.
std::uint32_t known_segment_size(const Vault& vault, const LogFiles& log) {
  try {
    return segment_size_of(vault, log).value_or(0);
  } catch (const Error& error) {
    if (!is_damage(error)) throw;
    return 0;
  }
}

void find_damaged(const Vault& vault, const LogFiles& log, std::vector<LogFault>& faults,
                  const std::stop_token& stop) {
  const std::uint32_t size = known_segment_size(vault, log);
  std::vector<std::string> problems(log.objects.size());
  at_once(
      vault.store(), problems.size(),
      [&](std::size_t i) {
        try {
          problems[i] = log_object_problem(vault, log.objects[i], size, true);
        } catch (const Error& error) {
          if (error.code() != Code::kNotFound) throw;  // became whole meanwhile
        }
      },
      stop);
  for (std::size_t i = 0; i < problems.size(); ++i) {
    if (!problems[i].empty()) faults.push_back({log.objects[i].name.key(), problems[i]});
  }
}

// Of one stream of the other copy.
void find_missing(const Vault& other, const LogFiles& log,
                  const std::vector<BackupSummary>& backups, const std::set<std::string>& here,
                  std::vector<LogFault>& faults) {
  std::set<std::string> there;
  for (const LogObject& object : log.objects) there.insert(object.name.key());
  const FileUses use = log_use(other, log, backups);
  for (const LogObject& object : log.objects) {
    const std::string key = object.name.key();
    if (here.contains(key) || use(object.name.file) != FileUse::kNeeded) continue;
    const std::string whole = object.name.whole().key();
    if (object.name.piece && (here.contains(whole) || there.contains(whole))) continue;
    faults.push_back({key, "is missing"});
  }
}

void find_all_missing(const Vault& vault, ObjectStore& other_store, const Policies& policy,
                      const std::set<std::string>& here,
                      const std::function<void(const std::string&)>& trouble,
                      std::vector<LogFault>& faults, const std::stop_token& stop) {
  const LogUsers users =
      read_log_users(vault, list_backups(vault.store()), stop, UnreadableBackups::kLeaveOut);
  if (users.empty()) return;
  const auto other = Vault::open(other_store, vault.clock(), vault.ring(), "");
  for (const LogFiles& log : list_log_files(other_store)) {
    auto of_log = users_of(users, log);
    if (of_log.empty()) continue;
    const LogPolicy limits = policy ? policy(log.source) : LogPolicy{};
    try {
      const auto backups = within_depth(*other, log, std::move(of_log), limits);
      find_missing(*other, log, backups, here, faults);
    } catch (const Error& error) {
      if (!is_damage(error)) throw;
      trouble("in the other copy: " + error.message());
    }
  }
}

}  // namespace

std::vector<LogFault> find_log_faults(const Vault& vault, ObjectStore* other,
                                      const Policies& policy,
                                      const std::function<void(const std::string&)>& trouble,
                                      std::stop_token stop) {
  std::vector<LogFault> faults;
  std::set<std::string> here;
  for (const LogFiles& log : list_log_files(vault.store())) {
    for (const LogObject& object : log.objects) here.insert(object.name.key());
    find_damaged(vault, log, faults, stop);
  }
  if (other != nullptr) find_all_missing(vault, *other, policy, here, trouble, faults, stop);
  return faults;
}

void require_sound_log(const Vault& vault, Bytes object, const LogName& name) {
  if (vault.ring().can_read()) {
    decode_log(object, vault.ring(), name);
  } else if (decode_log_header(object, vault.ring(), name).object_size != object.size()) {
    throw Error(Code::kCorrupt, name.key() + " is damaged: it has another size than it says");
  }
}

}  // namespace holdfast
