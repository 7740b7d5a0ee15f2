#include "protect/restore_mark.h"

#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "os/file.h"
#include "protect/server_directory.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

std::string mark_of(const std::string& target) { return target + "/" + kRestoreMark; }

}  // namespace

std::optional<UnfinishedRestore> unfinished_restore(const std::string& target) {
  auto mark = marked_restore(target);
  if (mark && mark->server && holds_server(target)) return std::nullopt;
  return mark;
}

std::optional<UnfinishedRestore> marked_restore(const std::string& target) {
  const std::string file = mark_of(target);
  if (!path_exists(file)) return std::nullopt;
  const Bytes text = read_file(file);
  const Json json = Json::parse(as_text(text), nullptr, false);
  try {
    return UnfinishedRestore{json.at("backup"), json.value("target_was_empty", false),
                             json.value("server", false), json.value("safety_backup", "")};
  } catch (const Json::exception&) {
    return UnfinishedRestore{"?", false, false, ""};
  }
}

void mark_restore(const std::string& target, const UnfinishedRestore& restore) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(target, ignored)) {
    if (is_unmade_mark(entry.path().filename().string())) ::unlink(entry.path().c_str());
  }
  Json json{{"backup", restore.backup}, {"target_was_empty", restore.target_was_empty}};
  if (restore.server) json["server"] = true;
  if (!restore.safety.empty()) json["safety_backup"] = restore.safety;
  // Left behind in a server's directory, it must not keep the server's user from a base backup.
  write_file_atomic(mark_of(target), as_bytes(json.dump() + "\n"), restore.server ? 0644 : 0600);
}

void unmark_restore(const std::string& target) { ::unlink(mark_of(target).c_str()); }

bool is_unmade_mark(std::string_view name) {
  return name.starts_with(std::string(kRestoreMark) + ".tmp-");
}

bool is_taken(const std::string& target) {
  std::error_code ignored;
  if (!fs::is_directory(target, ignored)) return path_exists(target);
  for (const auto& entry : fs::directory_iterator(target, ignored)) {
    if (!is_unmade_mark(entry.path().filename().string())) return true;
  }
  return false;
}

}  // namespace holdfast
