#include "cli/recover_record.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/error.h"
#include "os/file.h"

namespace holdfast {
namespace {

using Record = nlohmann::json;

}  // namespace

RecoverRecord::RecoverRecord(const std::string& directory, const VaultId& vault)
    : file_((directory == "/" ? "" : directory) + "/.holdfast-recover.json"),
      vault_(to_hex(vault)) {
  if (!path_exists(file_)) return;
  const Bytes text = read_file(file_);
  try {
    const Record json = Record::parse(as_text(text));
    if (json.at("vault") != vault_) {
      throw Error(Code::kConflict, directory + " holds an unfinished recovery of another vault",
                  "finish that one with the same 'holdfast recover' from its vault, choose another "
                  "target, or give it up: remove " +
                      file_);
    }
    for (const auto& [source, item] : json.at("sources").items()) {
      items_[source] = {item.at("backup").get<std::string>(), item.at("done").get<bool>()};
    }
  } catch (const Record::exception&) {
    throw Error(Code::kInvalid, file_ + " is not what a recovery left", "remove it");
  }
}

std::optional<std::string> RecoverRecord::begun(const std::string& source) const {
  const auto found = items_.find(source);
  if (found == items_.end()) return std::nullopt;
  return found->second.backup;
}

bool RecoverRecord::is_done(const std::string& source) const {
  const auto found = items_.find(source);
  return found != items_.end() && found->second.done;
}

void RecoverRecord::begin(const std::string& source, const std::string& backup) {
  items_[source] = {backup, false};
  write();
}

void RecoverRecord::finish(const std::string& source) {
  items_.at(source).done = true;
  write();
}

void RecoverRecord::forget(const std::string& source) {
  items_.erase(source);
  write();
}

void RecoverRecord::remove() { ::unlink(file_.c_str()); }

void RecoverRecord::write() const {
  Record json{{"vault", vault_}, {"sources", Record::object()}};
  for (const auto& [source, item] : items_) {
    json["sources"][source] = {{"backup", item.backup}, {"done", item.done}};
  }
  write_file_atomic(file_, as_bytes(json.dump() + "\n"), 0600);
}

}  // namespace holdfast
