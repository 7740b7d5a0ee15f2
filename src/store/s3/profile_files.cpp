#include "store/s3/profile_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.h"
#include "os/file.h"

namespace holdfast {
namespace {

constexpr std::string_view kSpaces = " \t\r\v\f";
constexpr std::string_view kHint =
    "lines are '[profile NAME]' ('[NAME]' in the credentials file), 'key = value', or comments "
    "with '#'";

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kSpaces);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpaces) - begin + 1);
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool is_comment(std::string_view text) { return text.starts_with('#') || text.starts_with(';'); }

// The value in what follows the '='. A comment in the same line needs a space before it. Commands
// are for the shell, which has its own comments.
std::string_view value_in(std::string_view text, std::string_view name) {
  if (name != "credential_process") {
    for (std::size_t i = 1; i < text.size(); ++i) {
      const bool after_space = kSpaces.find(text[i - 1]) != kSpaces.npos;
      if (after_space && is_comment(text.substr(i))) return trimmed(text.substr(0, i));
    }
  }
  return trimmed(text);
}

class Parser {
 public:
  Parser(AwsFile kind, const std::string& path) : kind_(kind), path_(path) {}

  void add(std::string_view line) {
    ++line_;
    if (line.find('\0') != line.npos) fail("a zero byte; this is not a text file");
    const std::string_view text = trimmed(line);
    if (text.empty() || is_comment(text)) return;
    const std::size_t indent = line.find_first_not_of(kSpaces);
    if (value_ != nullptr && indent > indent_) return more(text);
    if (text.starts_with('[')) return section(text);
    indent_ = indent;
    setting(text);
  }

  AwsProfiles finish() {
    if (prefixed_default_) profiles_["default"] = std::move(*prefixed_default_);
    return std::move(profiles_);
  }

 private:
  [[noreturn]] void fail(std::string_view what) const {
    throw Error(Code::kInvalid, fmt::format("{}:{}: {}", path_, line_, what), std::string(kHint));
  }

  void section(std::string_view text) {
    const std::size_t end = text.find(']');
    if (end == text.npos) fail("a section without ']'");
    const std::string_view rest = trimmed(text.substr(end + 1));
    if (!rest.empty() && !is_comment(rest)) fail("something follows the section's ']'");
    const std::string_view name = trimmed(text.substr(1, end - 1));
    if (name.empty()) fail("a section without a name");
    value_ = nullptr;
    settings_ = settings_of(name);
  }

  // Where a section's settings go.
  AwsSettings* settings_of(std::string_view section) {
    constexpr std::string_view kPrefix = "profile";
    std::string_view name = section;
    bool prefixed = false;
    if (name.starts_with(kPrefix) && name.size() > kPrefix.size() &&
        kSpaces.find(name[kPrefix.size()]) != kSpaces.npos) {
      name = trimmed(name.substr(kPrefix.size()));
      prefixed = true;
    }
    const bool quoted = name.size() >= 2 && (name.front() == '"' || name.front() == '\'') &&
                        name.back() == name.front();
    if (quoted) name = name.substr(1, name.size() - 2);
    if (name.empty()) fail("a profile without a name");
    if (kind_ == AwsFile::kConfig) {
      if (!prefixed && name != "default") return &ignored_;
      // It counts more than [default].
      if (prefixed && name == "default") {
        if (!prefixed_default_) prefixed_default_.emplace();
        return &*prefixed_default_;
      }
    }
    return &profiles_[std::string(name)];
  }

  void setting(std::string_view text) {
    if (settings_ == nullptr) fail("a setting before the first section");
    const std::size_t equals = text.find('=');
    if (equals == text.npos) fail("neither a section, nor 'key = value', nor a comment");
    name_ = lower(trimmed(text.substr(0, equals)));
    if (name_.empty()) fail("a value without a key");
    value_ = &(*settings_)[name_];
    *value_ = value_in(text.substr(equals + 1), name_);
    nested_ = value_->empty();
  }

  // An indented line: a nested setting below "key =", else more of the value.
  void more(std::string_view text) {
    if (!nested_) {
      *value_ += "\n";
      *value_ += value_in(text, name_);
      return;
    }
    const std::size_t equals = text.find('=');
    if (equals == text.npos) fail("an indented line that is no 'key = value'");
    const std::string key = lower(trimmed(text.substr(0, equals)));
    if (key.empty()) fail("a value without a key");
    (*settings_)[name_ + "." + key] = value_in(text.substr(equals + 1), key);
  }

  const AwsFile kind_;
  const std::string& path_;
  AwsProfiles profiles_;
  std::optional<AwsSettings> prefixed_default_;
  AwsSettings ignored_;
  std::size_t line_ = 0;
  AwsSettings* settings_ = nullptr;  // of the section; none yet
  std::string name_;                 // the last setting's,
  std::string* value_ = nullptr;     // its value, none in this section yet,
  std::size_t indent_ = 0;           // its indentation,
  bool nested_ = false;              // and whether it has settings of its own
};

std::string path_of(const Environment& environment, const char* variable, const char* name) {
  const std::string home = environment("HOME").value_or("");
  const std::string given = environment(variable).value_or("");
  if (given.starts_with("~/") && !home.empty()) return home + given.substr(1);
  if (!given.empty()) return given;
  return home.empty() ? "" : home + "/.aws/" + name;
}

AwsProfiles load(const std::string& path, AwsFile kind) {
  if (path.empty()) return {};
  try {
    return parse_aws_file(as_text(read_file(path)), kind, path);
  } catch (const Error& error) {
    if (error.code() == Code::kNotFound) return {};
    throw;
  }
}

// Keys of two files must not be mixed: a token belongs to its key.
void drop_keys(AwsSettings& settings) {
  for (const char* name : {"aws_access_key_id", "aws_secret_access_key", "aws_session_token"}) {
    settings.erase(name);
  }
}

}  // namespace

AwsProfiles parse_aws_file(std::string_view text, AwsFile kind, const std::string& path) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  Parser parser(kind, path);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    parser.add(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parser.finish();
}

AwsProfiles load_aws_profiles(const Environment& environment) {
  AwsProfiles profiles = load(path_of(environment, "AWS_CONFIG_FILE", "config"), AwsFile::kConfig);
  AwsProfiles credentials = load(path_of(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials"),
                                 AwsFile::kCredentials);
  for (auto& [name, settings] : credentials) {
    AwsSettings& merged = profiles[name];
    if (settings.contains("aws_access_key_id")) drop_keys(merged);
    for (auto& [key, value] : settings) merged[key] = std::move(value);
  }
  return profiles;
}

std::string chosen_profile(const Environment& environment, const std::string& given) {
  if (!given.empty()) return given;
  const std::string variable = environment("AWS_PROFILE").value_or("");
  return variable.empty() ? "default" : variable;
}

std::string setting_of(const AwsSettings& settings, const std::string& name) {
  const auto at = settings.find(name);
  return at == settings.end() ? std::string() : at->second;
}

}  // namespace holdfast
