#include "vault/backup_object.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace holdfast {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kMagic = "HFBACK1\n";
constexpr std::string_view kPrefix = "backup-";
constexpr std::string_view kSuffix = ".hfb";
constexpr std::size_t kHeaderSize = 8 + kSessionBlockSize + 32 + 8;

bool source_name_is_valid(std::string_view name) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= 63 && plain(name[0]) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return plain(c) || c == '-' || c == '_' || c == '.'; });
}

Bytes associated(std::string_view tag, const VaultId& vault, const SessionBlock& session,
                 const BackupName& name) {
  Bytes data = to_bytes(as_bytes(tag));
  append(data, vault);
  append(data, session);
  append(data, as_bytes(name.key()));
  return data;
}

std::string ref_text(const Ref& ref) {
  Bytes bytes;
  WireWriter out(bytes);
  write_ref(out, ref);
  return to_base64(bytes);
}

Ref ref_from(const Json& json) {
  const Bytes bytes = from_base64(json.get<std::string>());
  WireReader in(bytes);
  return read_ref(in);
}

Json database_json(const DatabaseFacts& d) {
  Json json{{"engine", d.engine}, {"version", d.version},   {"method", d.method},
            {"system", d.system}, {"timeline", d.timeline}, {"start", d.start},
            {"stop", d.stop}};
  if (d.damaged_pages > 0) json["damaged_pages"] = d.damaged_pages;
  if (!d.settings.empty()) json["settings"] = d.settings;
  if (!d.data_directory.empty()) json["data_directory"] = d.data_directory;
  return json;
}

DatabaseFacts parse_database(const Json& json) {
  DatabaseFacts d;
  d.engine = json.at("engine").get<std::string>();
  d.version = json.at("version").get<std::string>();
  d.method = json.at("method").get<std::string>();
  d.system = json.at("system").get<std::string>();
  d.timeline = json.at("timeline").get<std::uint32_t>();
  d.start = json.at("start").get<std::string>();
  d.stop = json.at("stop").get<std::string>();
  d.damaged_pages = json.value("damaged_pages", std::uint64_t{0});
  d.settings = json.value("settings", std::map<std::string, std::string>{});
  d.data_directory = json.value("data_directory", std::string());
  return d;
}

Json summary_json(const BackupSummary& s) {
  Json json{{"class", s.name.backup_class},
            {"source", s.name.source},
            {"host", s.host},
            {"program", s.program},
            {"started", format_rfc3339(s.started, true)},
            {"finished", format_rfc3339(s.finished, true)},
            {"consistent", format_rfc3339(s.consistent, true)},
            {"files", s.files},
            {"directories", s.directories},
            {"others", s.others},
            {"bytes", s.bytes},
            {"added_bytes", s.added_bytes},
            {"added_raw_bytes", s.added_raw_bytes},
            {"warnings", s.warnings},
            {"reach", ref_text(s.reach)}};
  if (s.database) json["database"] = database_json(*s.database);
  return json;
}

BackupSummary parse_summary(const Json& json, const BackupName& name) {
  BackupSummary s;
  s.name = name;
  s.host = json.at("host").get<std::string>();
  s.program = json.at("program").get<std::string>();
  s.started = parse_rfc3339(json.at("started").get<std::string>());
  s.finished = parse_rfc3339(json.at("finished").get<std::string>());
  s.consistent = parse_rfc3339(json.at("consistent").get<std::string>());
  s.files = json.at("files").get<std::uint64_t>();
  s.directories = json.at("directories").get<std::uint64_t>();
  s.others = json.at("others").get<std::uint64_t>();
  s.bytes = json.at("bytes").get<std::uint64_t>();
  s.added_bytes = json.at("added_bytes").get<std::uint64_t>();
  s.added_raw_bytes = json.at("added_raw_bytes").get<std::uint64_t>();
  s.warnings = json.at("warnings").get<std::uint64_t>();
  s.reach = ref_from(json.at("reach"));
  if (json.contains("database")) s.database = parse_database(json.at("database"));
  return s;
}

// Names are bytes and JSON is UTF-8, so paths and messages travel in base64.
Json texts(const std::vector<std::string>& values) {
  Json list = Json::array();
  for (const std::string& value : values) list.push_back(to_base64(as_bytes(value)));
  return list;
}

std::vector<std::string> parse_texts(const Json& list) {
  std::vector<std::string> values;
  for (const Json& value : list) {
    values.emplace_back(as_text(from_base64(value.get<std::string>())));
  }
  return values;
}

}  // namespace

std::string BackupName::id() const {
  return std::string(kPrefix) + format_compact(time) + "-" + source;
}

std::string BackupName::key() const {
  return backup_class + "/" + format_date(time) + "/" + id() + std::string(kSuffix);
}

std::optional<BackupName> parse_backup_key(std::string_view key) {
  const auto slash = key.find('/');
  if (slash == std::string_view::npos || !key.ends_with(kSuffix)) return std::nullopt;
  const std::string_view backup_class = key.substr(0, slash);
  if (std::find(std::begin(kBackupClasses), std::end(kBackupClasses), backup_class) ==
      std::end(kBackupClasses)) {
    return std::nullopt;
  }
  const std::string_view file = key.substr(key.find_last_of('/') + 1);
  constexpr std::size_t kTimeSize = 15;
  if (!file.starts_with(kPrefix) || file.size() < kPrefix.size() + kTimeSize + 1 + kSuffix.size()) {
    return std::nullopt;
  }
  const auto time = parse_compact(file.substr(kPrefix.size(), kTimeSize));
  if (!time) return std::nullopt;
  std::string_view source = file.substr(kPrefix.size() + kTimeSize + 1);
  source.remove_suffix(kSuffix.size());
  if (!source_name_is_valid(source)) return std::nullopt;
  BackupName name{std::string(backup_class), *time, std::string(source)};
  if (name.key() != key) return std::nullopt;
  return name;
}

void check_source_name(std::string_view name) {
  if (source_name_is_valid(name)) return;
  throw Error(Code::kInvalid, "'" + std::string(name) + "' is not a source name",
              "use lower-case letters, digits, '-', '_' and '.', at most 63 of them, and start "
              "with a letter or digit");
}

Bytes encode_backup(const Session& session, const KeyRing& ring, const BackupSummary& summary,
                    const BackupRoot& root) {
  const auto salt = random_array<32>();
  const BackupName& name = summary.name;
  const Bytes a = seal(hkdf(ring.shared, salt, "holdfast summary 1"), counter_nonce(0),
                       associated("HFB1", ring.vault, session.block, name),
                       as_bytes(summary_json(summary).dump()));
  const Json root_json{
      {"root", ref_text(root.tree)}, {"paths", texts(root.paths)}, {"errors", texts(root.errors)}};
  const Bytes b =
      seal(hkdf(*session.keys.content, salt, "holdfast root 1"), counter_nonce(0),
           associated("HFR1", ring.vault, session.block, name), as_bytes(root_json.dump()));
  Bytes object = to_bytes(as_bytes(kMagic));
  append(object, session.block);
  append(object, salt);
  WireWriter out(object);
  out.fixed(static_cast<std::uint32_t>(a.size()));
  out.fixed(static_cast<std::uint32_t>(b.size()));
  out.raw(a);
  out.raw(b);
  return object;
}

StoredBackup decode_backup(ByteView object, const KeyRing& ring, const BackupName& name) {
  try {
    WireReader in(object);
    if (object.size() < kHeaderSize || as_text(in.raw(8)) != kMagic) {
      throw Error(Code::kCorrupt, "it is not a backup object");
    }
    const auto block = to_array<kSessionBlockSize>(in.raw(kSessionBlockSize));
    const ByteView salt = in.raw(32);
    const auto a_length = in.fixed<std::uint32_t>();
    const auto b_length = in.fixed<std::uint32_t>();
    const ByteView a = in.raw(a_length);
    const ByteView b = in.raw(b_length);
    if (!in.done()) throw Error(Code::kCorrupt, "it is longer than it says");
    StoredBackup backup;
    const Bytes summary = open(hkdf(ring.shared, salt, "holdfast summary 1"), counter_nonce(0),
                               associated("HFB1", ring.vault, block, name), a, "the summary");
    backup.summary = parse_summary(Json::parse(as_text(summary)), name);
    if (!ring.can_read()) return backup;
    const SessionKeys keys = open_session(block, ring);
    const Bytes root = open(hkdf(*keys.content, salt, "holdfast root 1"), counter_nonce(0),
                            associated("HFR1", ring.vault, block, name), b, "the root");
    const Json json = Json::parse(as_text(root));
    backup.root = BackupRoot{ref_from(json.at("root")), parse_texts(json.at("paths")),
                             parse_texts(json.at("errors"))};
    return backup;
  } catch (const Json::exception& error) {
    throw Error(Code::kCorrupt, name.key() + ": " + error.what());
  } catch (Error& error) {
    throw Error(Code::kCorrupt, name.key() + " is damaged: " + error.message(),
                "copy it again from another copy of the vault: holdfast repair --from URL");
  }
}

}  // namespace holdfast
