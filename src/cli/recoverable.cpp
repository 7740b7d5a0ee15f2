#include "cli/recoverable.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/human.h"
#include "protect/presence.h"

namespace holdfast {
namespace {

bool is_among(const std::vector<std::string>& words, const std::string& word) {
  return words.empty() || std::find(words.begin(), words.end(), word) != words.end();
}

void require_all(const std::vector<std::string>& wanted, const std::set<std::string>& known,
                 std::string_view what) {
  for (const std::string& word : wanted) {
    if (known.contains(word)) continue;
    const std::string near = nearest(word, known);
    throw Error(
        Code::kNotFound, fmt::format("there is no backup of {} '{}'", what, printable(word)),
        fmt::format("{}there are: {}", near.empty() ? "" : fmt::format("did you mean '{}'? ", near),
                    fmt::join(known, ", ")));
  }
}

std::vector<RecoverableSource> grouped(const std::vector<BackupName>& names,
                                       const RecoveryFilter& filter) {
  std::map<std::string, RecoverableSource> found;
  for (const BackupName& name : names) {
    if (!filter.takes(name.backup_class, name.source, name.time)) continue;
    RecoverableSource& source = found[name.backup_class + "/" + name.source];
    source.backup_class = name.backup_class;
    source.name = name.source;
    source.backups.push_back(name);
  }
  std::vector<RecoverableSource> all;
  for (auto& [key, source] : found) all.push_back(std::move(source));
  return all;
}

std::optional<StoredBackup> try_read(const Vault& vault, const BackupName& name) {
  try {
    return read_backup(vault, name);
  } catch (const Error& error) {
    if (error.code() != Code::kCorrupt && error.code() != Code::kNotFound) throw;
    return std::nullopt;
  }
}

void choose(const Vault& vault, PresenceCheck& presence, RecoverableSource& source,
            const std::stop_token& stop) {
  for (auto name = source.backups.rbegin(); name != source.backups.rend(); ++name) {
    const std::string trouble = presence.trouble_of(*name, stop);
    if (trouble.empty()) source.best = try_read(vault, *name);
    source.whole = source.best.has_value();
    if (source.whole) return;
    source.passed_over.push_back({*name, trouble.empty() ? "it has just been removed" : trouble});
  }
  // Then as much as possible of the newest.
  for (auto name = source.backups.rbegin(); name != source.backups.rend() && !source.best; ++name) {
    source.best = try_read(vault, *name);
  }
}

}  // namespace

bool RecoveryFilter::takes(const std::string& backup_class, const std::string& source,
                           Timestamp time) const {
  return time <= until && is_among(sources, source) && is_among(classes, backup_class);
}

void require_known(const RecoveryFilter& filter, const KnownSources& known) {
  require_all(filter.sources, known.sources, "a source");
  require_all(filter.classes, known.classes, "class");
}

Timestamp RecoverableSource::recovery_point() const {
  const Timestamp backup = best->summary.consistent;
  return log && log->to ? std::max(backup, *log->to) : backup;
}

std::vector<RecoverableSource> find_recoverable(const Vault& vault,
                                                const std::vector<BackupName>& names,
                                                const RecoveryFilter& filter,
                                                std::stop_token stop) {
  std::vector<RecoverableSource> sources = grouped(names, filter);
  if (sources.empty()) return sources;
  PresenceCheck presence(vault);
  for (RecoverableSource& source : sources) {
    choose(vault, presence, source, stop);
    if (!source.whole || filter.until != Timestamp::max()) continue;
    auto spans = log_spans(vault, {source.best->summary}, stop);
    if (!spans.empty()) source.log = std::move(spans.front());
  }
  return sources;
}

}  // namespace holdfast
