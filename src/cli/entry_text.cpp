#include "cli/entry_text.h"

#include <fmt/format.h>
#include <sys/sysmacros.h>

#include <nlohmann/json.hpp>

#include "base/human.h"
#include "base/time.h"

namespace holdfast {
namespace {

char type_letter(EntryType type) {
  switch (type) {
    case EntryType::kDirectory:
      return 'd';
    case EntryType::kSymlink:
      return 'l';
    case EntryType::kFifo:
      return 'p';
    case EntryType::kCharDevice:
      return 'c';
    case EntryType::kBlockDevice:
      return 'b';
    case EntryType::kFile:
    case EntryType::kHardlink:
      return '-';
  }
  return '?';
}

// One group of three permission letters; `special` replaces the x when its bit is set.
std::string triple(std::uint32_t bits, bool special, char letter) {
  const bool x = (bits & 1) != 0;
  char last = x ? 'x' : '-';
  if (special) last = x ? letter : static_cast<char>(letter - ('a' - 'A'));
  return {(bits & 4) != 0 ? 'r' : '-', (bits & 2) != 0 ? 'w' : '-', last};
}

std::string mode_text(const Entry& entry) {
  return type_letter(entry.type) + triple(entry.mode >> 6, (entry.mode & 04000) != 0, 's') +
         triple(entry.mode >> 3, (entry.mode & 02000) != 0, 's') +
         triple(entry.mode, (entry.mode & 01000) != 0, 't');
}

Timestamp time_of(const Entry& entry) { return Timestamp{Duration{entry.mtime_ns}}; }

std::string size_text(const Entry& entry) {
  if (entry.type == EntryType::kCharDevice || entry.type == EntryType::kBlockDevice) {
    return fmt::format("{}, {}", major(entry.device), minor(entry.device));
  }
  return entry.type == EntryType::kFile ? format_count(entry.size) : "-";
}

}  // namespace

std::string_view type_name(EntryType type) {
  switch (type) {
    case EntryType::kFile:
      return "file";
    case EntryType::kDirectory:
      return "directory";
    case EntryType::kSymlink:
      return "symlink";
    case EntryType::kHardlink:
      return "hardlink";
    case EntryType::kFifo:
      return "fifo";
    case EntryType::kCharDevice:
      return "char-device";
    case EntryType::kBlockDevice:
      return "block-device";
  }
  return "unknown";
}

std::string short_line(const Entry& entry) {
  return "/" + printable(entry.path) + (entry.type == EntryType::kDirectory ? "/" : "");
}

std::string long_line(const Entry& entry) {
  std::string time = format_rfc3339(time_of(entry)).substr(0, 19);
  time[10] = ' ';
  std::string line =
      fmt::format("{} {:<8} {:<8} {:>14} {} {}", mode_text(entry),
                  entry.user.empty() ? std::to_string(entry.uid) : printable(entry.user),
                  entry.group.empty() ? std::to_string(entry.gid) : printable(entry.group),
                  size_text(entry), time, short_line(entry));
  if (entry.type == EntryType::kSymlink) line += " -> " + printable(entry.link_target);
  if (entry.type == EntryType::kHardlink) line += " link to /" + printable(entry.link_target);
  if (entry.unstable) line += "  (changed while it was read)";
  return line;
}

Json entry_json(const Entry& entry) {
  Json json;
  set_path(json, "path", "/" + entry.path);
  json["type"] = type_name(entry.type);
  json["mode"] = fmt::format("{:04o}", entry.mode);
  json["uid"] = entry.uid;
  json["gid"] = entry.gid;
  json["user"] = entry.user;
  json["group"] = entry.group;
  json["mtime"] = format_rfc3339(time_of(entry), true);
  if (entry.type == EntryType::kFile) json["size"] = entry.size;
  if (entry.sparse) json["sparse"] = true;
  if (entry.unstable) json["unstable"] = true;
  if (entry.type == EntryType::kSymlink) set_path(json, "target", entry.link_target);
  if (entry.type == EntryType::kHardlink) set_path(json, "target", "/" + entry.link_target);
  if (entry.type == EntryType::kCharDevice || entry.type == EntryType::kBlockDevice) {
    json["device"] = {major(entry.device), minor(entry.device)};
  }
  if (!entry.xattrs.empty()) {
    Json xattrs = Json::array();
    for (const Xattr& xattr : entry.xattrs) {
      xattrs.push_back({{"name", xattr.name}, {"value_base64", to_base64(xattr.value)}});
    }
    json["xattrs"] = std::move(xattrs);
  }
  return json;
}

}  // namespace holdfast
