#include "cli/credential.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/error.h"
#include "cli/terminal.h"
#include "os/file.h"

namespace holdfast {
namespace {

bool is_code_group(std::string_view word) {
  if (word.empty() || word.size() > 5) return false;
  for (const char c : word) {
    if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))) return false;
  }
  return true;
}

// A line of the code: groups of five characters only, the last one perhaps shorter.
bool is_code_line(std::string_view line) {
  std::size_t words = 0;
  while (!line.empty()) {
    if (line.front() == ' ' || line.front() == '\r') {
      line.remove_prefix(1);
      continue;
    }
    const std::string_view word = line.substr(0, line.find_first_of(" \r"));
    line.remove_prefix(word.size());
    ++words;
    const bool last = line.find_first_not_of(" \r") == std::string_view::npos;
    if (!is_code_group(word) || (word.size() < 5 && !last)) return false;
  }
  return words > 1;
}

// The code of a whole recovery sheet, or the text as it is.
std::string code_in(std::string_view text) {
  std::string code;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (is_code_line(line)) code += std::string(line) + "\n";
    at = end + 1;
  }
  return code.empty() ? std::string(text) : code;
}

std::string read_text(const std::string& path, const std::string& what) {
  try {
    const Bytes data = read_file(path);
    return std::string(as_text(data));
  } catch (Error& error) {
    throw error.add_context("cannot read the " + what);
  }
}

Error no_key() {
  return {Code::kDenied, "no key was given",
          "give --key-file FILE or --recovery-code-file FILE (the recovery sheet), set "
          "HOLDFAST_PASSPHRASE, HOLDFAST_KEY_FILE or HOLDFAST_RECOVERY_CODE, or put 'key_file:' "
          "into the configuration"};
}

}  // namespace

Credential read_key_file(const std::string& path) {
  const std::string text = read_text(path, "key file");
  try {
    return parse_key_file(text);
  } catch (Error& error) {
    throw error.add_context(path);
  }
}

std::string key_file_path(Context& context) {
  if (!context.options.key_file.empty()) return context.options.key_file;
  if (std::string file = environment_value("HOLDFAST_KEY_FILE"); !file.empty()) return file;
  if (!environment_value("HOLDFAST_PASSPHRASE").empty()) return {};
  return context.settings().key_file;
}

std::optional<Credential> given_credential(Context& context) {
  const GlobalOptions& options = context.options;
  if (!options.recovery_code_file.empty() && !options.key_file.empty()) {
    throw Error(Code::kUsage, "--key-file and --recovery-code-file exclude each other",
                "give one of them");
  }
  if (!options.recovery_code_file.empty()) {
    return parse_recovery_code(code_in(read_text(options.recovery_code_file, "recovery code")));
  }
  if (options.key_file.empty()) {
    const std::string code = environment_value("HOLDFAST_RECOVERY_CODE");
    if (!code.empty()) return parse_recovery_code(code_in(code));
  }
  if (const std::string file = key_file_path(context); !file.empty()) return read_key_file(file);
  if (std::string text = environment_value("HOLDFAST_PASSPHRASE"); !text.empty()) {
    return Passphrase{std::move(text)};
  }
  return std::nullopt;
}

Credential find_credential(Context& context) {
  if (auto given = given_credential(context)) return *std::move(given);
  if (!can_prompt()) throw no_key();
  return Passphrase{prompt_secret("Passphrase of the vault: ", context.stop)};
}

void write_secret_file(const std::string& path, const std::string& text) {
  const Fd fd = open_file(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  try {
    write_full(fd.get(), as_bytes(text), path);
    sync_file(fd.get(), path);
    const std::string parent = std::filesystem::path(path).parent_path().string();
    sync_directory(parent.empty() ? "." : parent);
  } catch (...) {
    ::unlink(path.c_str());
    throw;
  }
}

void require_writable_directory(const std::string& path) {
  if (::access(path.c_str(), W_OK | X_OK) == 0) return;
  throw system_error(errno, "cannot write into " + path);
}

Passphrase new_passphrase(Context& context, const char* variable) {
  std::string text = environment_value(variable);
  if (text.empty()) {
    if (!can_prompt()) {
      throw Error(Code::kDenied, "no passphrase was given",
                  std::string("set ") + variable + ", run it on a terminal, or use a key file");
    }
    text = prompt_secret("New passphrase: ", context.stop);
    if (prompt_secret("The same again: ", context.stop) != text) {
      throw Error(Code::kInvalid, "the two passphrases differ", "run it again");
    }
  }
  if (text.empty())
    throw Error(Code::kInvalid, "an empty passphrase protects nothing",
                "type one, set HOLDFAST_PASSPHRASE, or use a key file: --key-file FILE");
  return {std::move(text)};
}

}  // namespace holdfast
