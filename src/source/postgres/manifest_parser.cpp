#include "source/postgres/manifest_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>
#include <variant>

#include "base/error.h"
#include "base/human.h"

namespace holdfast {

namespace {

using Json = nlohmann::json;

[[noreturn]] void malformed(const std::string& what) {
  throw Error(Code::kCorrupt, "the backup manifest is malformed: " + what);
}

// The members of one object, which are numbers and strings.
class Fields {
 public:
  using Value = std::variant<std::uint64_t, std::string>;

  void add(std::string key, Value value) {
    if (has(key)) malformed(printable(key) + " is there twice");
    fields_.push_back({std::move(key), std::move(value)});
  }
  void clear() { fields_.clear(); }
  bool has(std::string_view key) { return locate(key) != fields_.end(); }

  std::uint64_t number(std::string_view key) { return get<std::uint64_t>(key, "a number"); }
  std::string text(std::string_view key) { return get<std::string>(key, "a string"); }
  // After all known ones were taken.
  void expect_no_more() const {
    for (const auto& field : fields_) {
      if (!field.taken) malformed("what is " + printable(field.key) + "?");
    }
  }

 private:
  struct Field {
    std::string key;
    Value value;
    bool taken = false;
  };

  std::vector<Field>::iterator locate(std::string_view key) {
    return std::find_if(fields_.begin(), fields_.end(),
                        [&](const Field& field) { return field.key == key; });
  }
  template <typename Type>
  Type get(std::string_view key, const char* what) {
    const auto field = locate(key);
    if (field == fields_.end()) malformed(fmt::format("{} is missing", key));
    if (!std::holds_alternative<Type>(field->value))
      malformed(fmt::format("{} is not {}", key, what));
    field->taken = true;
    return std::get<Type>(std::move(field->value));
  }

  std::vector<Field> fields_;
};

struct Algorithm {
  std::string_view name;
  FileChecksum kind;
  std::size_t size;
};
constexpr std::array<Algorithm, 5> kAlgorithms = {{{"CRC32C", FileChecksum::kCrc32c, 4},
                                                   {"SHA224", FileChecksum::kSha224, 28},
                                                   {"SHA256", FileChecksum::kSha256, 32},
                                                   {"SHA384", FileChecksum::kSha384, 48},
                                                   {"SHA512", FileChecksum::kSha512, 64}}};

Bytes hex_field(Fields& fields, std::string_view key) {
  try {
    return from_hex(fields.text(key));
  } catch (const Error& error) {
    if (error.code() == Code::kCorrupt) throw;
    malformed(fmt::format("{} is not hexadecimal", key));
  }
}

Lsn lsn_field(Fields& fields, std::string_view key) {
  const std::string text = fields.text(key);
  try {
    return parse_lsn(text);
  } catch (const Error& error) {
    malformed(error.message());
  }
}

// A backup is written to these paths: they must not lead out of it.
void check_path(const std::string& path) {
  bool good = !path.empty() && path.find('\0') == std::string::npos;
  for (std::size_t begin = 0; good && begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = std::string_view(path).substr(begin, end - begin);
    good = !part.empty() && part != "." && part != "..";
    begin = end + 1;
  }
  if (!good) malformed("'" + printable(path) + "' is not a path below the data directory");
}

std::string path_of(Fields& fields) {
  std::string path;
  if (fields.has("Path") == fields.has("Encoded-Path")) malformed("a file needs one path");
  if (fields.has("Path")) {
    path = fields.text("Path");
  } else {
    const Bytes bytes = hex_field(fields, "Encoded-Path");
    path = as_text(bytes);
  }
  check_path(path);
  return path;
}

Timestamp time_field(Fields& fields) {
  const std::string text = fields.text("Last-Modified");
  try {
    if (!text.ends_with(" GMT")) malformed("'" + printable(text) + "' is not a time in GMT");
    return parse_rfc3339(text.substr(0, text.size() - 4) + "Z");
  } catch (const Error& error) {
    if (error.code() == Code::kCorrupt) throw;
    malformed(error.message());
  }
}

void read_checksum(Fields& fields, ManifestFile& file) {
  if (!fields.has("Checksum-Algorithm") && !fields.has("Checksum")) return;
  const std::string name = fields.text("Checksum-Algorithm");
  const auto algorithm =
      std::find_if(kAlgorithms.begin(), kAlgorithms.end(),
                   [&](const Algorithm& candidate) { return candidate.name == name; });
  if (algorithm == kAlgorithms.end()) malformed("what is the checksum " + printable(name) + "?");
  file.algorithm = algorithm->kind;
  file.checksum = hex_field(fields, "Checksum");
  if (file.checksum.size() != algorithm->size) {
    malformed(fmt::format("a {} checksum has {} bytes", name, file.checksum.size()));
  }
}

ManifestFile file_of(Fields& fields) {
  ManifestFile file;
  file.path = path_of(fields);
  file.size = fields.number("Size");
  file.modified = time_field(fields);
  read_checksum(fields, file);
  fields.expect_no_more();
  return file;
}

ManifestWalRange wal_range_of(Fields& fields) {
  ManifestWalRange range;
  const std::uint64_t timeline = fields.number("Timeline");
  range.timeline = static_cast<std::uint32_t>(timeline);
  if (range.timeline != timeline || timeline == 0) malformed("a timeline is out of range");
  range.start = lsn_field(fields, "Start-LSN");
  range.end = lsn_field(fields, "End-LSN");
  if (range.start > range.end) malformed("a piece of the log ends before it begins");
  fields.expect_no_more();
  return range;
}

// Receives the events of nlohmann::json's parser.
class Handler {
 public:
  bool null() { malformed("null"); }
  bool boolean(bool) { malformed("a truth value"); }
  bool number_integer(Json::number_integer_t) { malformed("a negative number"); }
  bool number_unsigned(Json::number_unsigned_t value) { return add(value); }
  bool number_float(Json::number_float_t, const std::string&) { malformed("a broken number"); }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(Json::binary_t&) { malformed("binary data"); }

  bool start_object(std::size_t) {
    if (place_ == Place::kNowhere) {
      place_ = Place::kTop;
    } else if (place_ == Place::kFiles) {
      place_ = Place::kFile;
    } else if (place_ == Place::kRanges) {
      place_ = Place::kRange;
    } else {
      malformed("an object where none belongs");
    }
    return true;
  }
  bool key(std::string& name) {
    key_ = std::move(name);
    return true;
  }
  bool end_object() {
    if (place_ == Place::kTop) {
      place_ = Place::kDone;
      finish();
    } else if (place_ == Place::kFile) {
      parsed_.manifest.files.push_back(file_of(inner_));
      place_ = Place::kFiles;
    } else {
      parsed_.manifest.wal_ranges.push_back(wal_range_of(inner_));
      place_ = Place::kRanges;
    }
    inner_.clear();
    return true;
  }
  bool start_array(std::size_t) {
    if (place_ == Place::kTop && key_ == "Files" && !std::exchange(has_files_, true)) {
      place_ = Place::kFiles;
    } else if (place_ == Place::kTop && key_ == "WAL-Ranges" && !std::exchange(has_ranges_, true)) {
      place_ = Place::kRanges;
    } else {
      malformed("a list where none belongs");
    }
    return true;
  }
  bool end_array() {
    place_ = Place::kTop;
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const Json::exception&) {
    malformed(fmt::format("no JSON at byte {}", position));
  }

  ParsedManifest take() { return std::move(parsed_); }

 private:
  enum class Place { kNowhere, kTop, kFiles, kFile, kRanges, kRange, kDone };

  bool add(Fields::Value value) {
    if (place_ == Place::kTop) {
      top_.add(std::move(key_), std::move(value));
    } else if (place_ == Place::kFile || place_ == Place::kRange) {
      inner_.add(std::move(key_), std::move(value));
    } else {
      malformed("a value where none belongs");
    }
    return true;
  }

  void finish() {
    BackupManifest& manifest = parsed_.manifest;
    const std::uint64_t version = top_.number("PostgreSQL-Backup-Manifest-Version");
    if (version == 0) malformed("version 0");
    if (version > 2) {
      throw Error(Code::kUnsupported,
                  fmt::format("the backup manifest has version {}; 1 and 2 are known", version));
    }
    manifest.version = static_cast<int>(version);
    if (version == 2) manifest.system_id = top_.number("System-Identifier");
    parsed_.checksum = hex_field(top_, "Manifest-Checksum");
    top_.expect_no_more();
    if (!has_files_ || !has_ranges_) malformed("Files or WAL-Ranges are missing");
  }

  Place place_ = Place::kNowhere;
  std::string key_;
  Fields top_;
  Fields inner_;
  bool has_files_ = false;
  bool has_ranges_ = false;
  ParsedManifest parsed_;
};

}  // namespace

ParsedManifest parse_manifest_text(std::string_view text) {
  Handler handler;
  Json::sax_parse(text, &handler);
  return handler.take();
}

}  // namespace holdfast
