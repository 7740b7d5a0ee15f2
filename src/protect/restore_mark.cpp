#include "protect/restore_mark.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "os/file.h"

namespace holdfast {
namespace {

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
  const Json json{{"backup", restore.backup}, {"target_was_empty", restore.target_was_empty}};
  write_file_atomic(mark_of(target), as_bytes(json.dump() + "\n"), 0600);
}

void unmark_restore(const std::string& target) { ::unlink(mark_of(target).c_str()); }

}  // namespace holdfast
