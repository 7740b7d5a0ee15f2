#include "protect/restore_mark.h"

#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "os/file.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

std::string mark_of(const std::string& target) { return target + "/" + kRestoreMark; }

}  // namespace

std::optional<UnfinishedRestore> unfinished_restore(const std::string& target) {
  const std::string file = mark_of(target);
  if (!path_exists(file)) return std::nullopt;
  const Bytes text = read_file(file);
  const Json json = Json::parse(as_text(text), nullptr, false);
  try {
    return UnfinishedRestore{json.at("backup"), json.value("target_was_empty", false)};
  } catch (const Json::exception&) {
    return UnfinishedRestore{"?", false};
  }
}

void mark_restore(const std::string& target, const UnfinishedRestore& restore) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(target, ignored)) {
    if (is_unmade_mark(entry.path().filename().string())) ::unlink(entry.path().c_str());
  }
  const Json json{{"backup", restore.backup}, {"target_was_empty", restore.target_was_empty}};
  write_file_atomic(mark_of(target), as_bytes(json.dump() + "\n"), 0600);
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
