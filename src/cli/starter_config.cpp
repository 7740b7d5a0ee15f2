#include "cli/starter_config.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/human.h"
#include "store/open_store.h"
#include "store/s3/client.h"

namespace holdfast {
namespace {

// A double-quoted JSON text is YAML as well; "${" would be taken for a variable.
std::string yaml_text(const std::string& text) {
  std::string safe;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '$' && i + 1 < text.size() && text[i + 1] == '{') safe += '$';
    safe += text[i];
  }
  return nlohmann::json(printable(safe)).dump();
}

std::string absolute(const std::string& path) {
  return path.find("://") != std::string::npos ? path : std::filesystem::absolute(path).string();
}

std::string store_text(const StarterConfig& config) {
  if (!is_s3_url(config.vault)) return {};
  const S3Place place = resolve_place(config.s3, process_environment());
  std::string url = config.vault;
  while (url.ends_with('/')) url.pop_back();
  std::string text =
      fmt::format("stores:\n  - url: {}\n    endpoint: {}\n    region: {}\n", yaml_text(url),
                  yaml_text(place.endpoint), yaml_text(place.region));
  if (!place.ca_file.empty()) {
    text += fmt::format("    ca_file: {}\n", yaml_text(absolute(place.ca_file)));
  }
  return text + "    # profile: NAME    # of ~/.aws/credentials\n";
}

std::string source_text(const RecoverableSource& source) {
  std::string paths;
  if (source.best && source.best->root) {
    for (const std::string& path : source.best->root->paths) {
      paths += (paths.empty() ? "" : ", ") + yaml_text("/" + path);
    }
  }
  const std::string host =
      source.best ? fmt::format("    # on host {}", printable(source.best->summary.host)) : "";
  // The paths have everything that a config source collected by itself.
  const char* const rest = source.backup_class == "config" ? "#     etc: false\n" : "";
  return fmt::format("#   - name: {}\n#     class: {}{}\n#     paths: [{}]\n{}", source.name,
                     source.backup_class, host, paths, rest);
}

}  // namespace

std::string starter_config(const StarterConfig& config,
                           const std::vector<RecoverableSource>& sources) {
  std::string text = fmt::format(
      "# Written by holdfast recover on {}. The vault and how to reach it; add what is to be\n"
      "# backed up on this machine. See holdfast.yaml(5).\n"
      "vault: {}\n",
      format_date(config.date), yaml_text(absolute(config.vault)));
  text += config.key_file.empty()
              ? "# key_file: /etc/holdfast/vault.key\n"
              : fmt::format("key_file: {}\n", yaml_text(absolute(config.key_file)));
  text += store_text(config);
  text += "# What the vault has backups of:\n# sources:\n";
  for (const RecoverableSource& source : sources) text += source_text(source);
  return text;
}

}  // namespace holdfast
