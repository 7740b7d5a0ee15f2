#include "cli/backup_sources.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <set>

#include "base/bytes.h"
#include "base/error.h"
#include "base/human.h"
#include "base/path.h"
#include "codec/hash.h"
#include "os/file.h"
#include "vault/backup_object.h"

namespace holdfast {
namespace {

constexpr std::size_t kHashDigits = 8;

const SourceSettings* named(const Settings& settings, const std::string& word) {
  for (const SourceSettings& source : settings.sources) {
    if (source.name == word) return &source;
  }
  return nullptr;
}

SourceSettings source_of_paths(const std::string& backup_class, const std::string& name,
                               std::vector<std::string> paths) {
  SourceSettings source;
  source.name = name;
  source.backup_class = backup_class;
  source.paths = std::move(paths);
  source.config.etc = false;
  return source;
}

std::vector<SourceSettings> all_of_class(const Settings& settings,
                                         const std::string& backup_class) {
  std::vector<SourceSettings> chosen;
  for (const std::string_view one : kBackupClasses) {
    if (backup_class != "all" && backup_class != one) continue;
    for (const SourceSettings& source : settings.sources) {
      if (source.backup_class == one) chosen.push_back(source);
    }
  }
  if (!chosen.empty()) return chosen;
  const std::string where =
      settings.file.empty() ? "there is no configuration" : settings.file + " has no such source";
  throw Error(Code::kUsage,
              backup_class == "all"
                  ? "there are no sources to back up: " + where
                  : fmt::format("there is no source of class '{}': {}", backup_class, where),
              fmt::format("name a path: holdfast backup {} /PATH, or add a source to the "
                          "configuration",
                          backup_class == "all" ? "files" : backup_class));
}

SourceSettings configured(const SourceSettings& source, const BackupChoice& choice) {
  if (choice.backup_class == "all" || choice.backup_class == source.backup_class) return source;
  throw Error(Code::kUsage,
              fmt::format("source '{}' has class {}", source.name, source.backup_class),
              fmt::format("use: holdfast backup {} {}", source.backup_class, source.name));
}

void refuse_duplicates(const std::vector<SourceSettings>& chosen) {
  std::set<std::string> names;
  for (const SourceSettings& source : chosen) {
    if (names.insert(source.backup_class + "/" + source.name).second) continue;
    throw Error(Code::kUsage, fmt::format("two backups would have the name '{}'", source.name),
                "give --name NAME to put the paths into one backup, or back them up one by one");
  }
}

std::string canonical(const std::string& path) {
  std::error_code failed;
  const auto resolved = std::filesystem::weakly_canonical(path, failed);
  const auto result = failed ? std::filesystem::absolute(path) : resolved;
  return stored_path(result.string());
}

}  // namespace

std::string source_name_of(const std::string& path) {
  std::string name;
  const std::string stored = stored_path(path);
  for (const char c : base_name(stored)) {
    const char low = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const bool plain = (low >= 'a' && low <= 'z') || (low >= '0' && low <= '9');
    if (plain || (!name.empty() && (c == '.' || c == '_'))) {
      name += low;
    } else if (!name.empty() && name.back() != '-') {
      name += '-';
    }
  }
  name.resize(std::min<std::size_t>(name.size(), 63));
  while (!name.empty() && name.back() == '-') name.pop_back();
  if (!name.empty()) return name;
  if (stored.empty()) return "root";
  // Nothing of the name can stand in one, as of a name in Chinese: two such directories must not
  // share a history.
  return "path-" + to_hex(sha256(as_bytes(stored))).substr(0, kHashDigits);
}

std::string safety_name(const std::string& source) {
  constexpr std::size_t kLongestName = 63;
  const std::string suffix = "-before-restore";
  return source_name_of(source.substr(0, kLongestName - suffix.size())) + suffix;
}

std::vector<SourceSettings> choose_sources(const Settings& settings, const BackupChoice& choice) {
  if (choice.words.empty()) return all_of_class(settings, choice.backup_class);
  std::vector<SourceSettings> chosen;
  std::vector<std::string> paths;
  for (const std::string& word : choice.words) {
    if (const SourceSettings* source = named(settings, word); source != nullptr) {
      chosen.push_back(configured(*source, choice));
    } else if (word.find('/') != std::string::npos || path_exists(word)) {
      if (!path_exists(word)) {
        throw Error(Code::kNotFound, "there is no " + printable(word),
                    "check the path; relative ones are taken from the current directory");
      }
      paths.push_back(word);
    } else {
      find_source(settings, word);  // throws, with the names that there are
    }
  }
  if (!paths.empty() && choice.backup_class == "database") {
    throw Error(
        Code::kUsage, "a database is not named by a path",
        "add a source of class database to the configuration: holdfast backup database NAME");
  }
  if (!paths.empty() && choice.backup_class == "all") {
    throw Error(Code::kUsage, "'backup all' takes names of sources, not paths",
                "use: holdfast backup files " + printable(paths.front()));
  }
  if (!choice.name.empty()) {
    if (paths.empty()) {
      throw Error(Code::kUsage, "--name is for paths; sources have their names already",
                  "leave --name out, or give paths instead of source names");
    }
    check_source_name(choice.name);
    chosen.push_back(source_of_paths(choice.backup_class, choice.name, paths));
  } else {
    for (const std::string& path : paths) {
      chosen.push_back(source_of_paths(choice.backup_class, source_name_of(path), {path}));
    }
  }
  refuse_duplicates(chosen);
  return chosen;
}

std::vector<std::string> leave_out(BackupJob& job, const std::vector<std::string>& directories,
                                   const std::string& vault_directory) {
  std::vector<std::string> left_out;
  const std::string vault = vault_directory.empty() ? "" : canonical(vault_directory);
  for (const std::string& root : job.walk.roots) {
    const std::string real_root = canonical("/" + root);
    if (!vault.empty() && is_within(real_root, vault)) {
      throw Error(Code::kUsage, "/" + printable(root) + " lies in the vault itself",
                  "a vault is copied, not backed up: holdfast copy --to URL");
    }
    for (const std::string& directory : directories) {
      if (directory.empty()) continue;  // a vault in a bucket has none
      const std::string real = canonical(directory);
      if (real == real_root || !is_within(real, real_root)) continue;
      const std::string below = real_root.empty() ? real : real.substr(real_root.size() + 1);
      job.walk.left_out.push_back(join_path(root, below));
      left_out.push_back(directory);
    }
  }
  std::sort(left_out.begin(), left_out.end());
  left_out.erase(std::unique(left_out.begin(), left_out.end()), left_out.end());
  return left_out;
}

}  // namespace holdfast
