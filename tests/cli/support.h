// Runs the real program in a directory of its own.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "os/process.h"
#include "support/temp_dir.h"

namespace holdfast {

using nlohmann::json;

// What a run of the program gave.
struct Outcome {
  int code = 0;
  std::string out;
  std::string err;
  json document() const { return json::parse(out); }
};

// A home with a vault, a key and something to back up; nothing of the user's environment gets in.
class Workshop {
 public:
  Workshop();

  std::string operator/(const std::string& name) const { return directory_ / name; }
  const std::string& path() const { return directory_.path(); }

  // Runs `holdfast ARGUMENTS`; `environment` on top of a clean one.
  Outcome run(std::vector<std::string> arguments,
              const std::map<std::string, std::string>& environment = {}) const;
  // The same with --vault and --key-file of this workshop.
  Outcome holdfast(std::vector<std::string> arguments) const;
  // Fails the test when the exit code is another one than `code`.
  Outcome expect(int code, std::vector<std::string> arguments) const;
  // expect() with --json, parsed.
  json expect_json(int code, std::vector<std::string> arguments) const;

  // A vault in "vault" with the key "key".
  void init() const;
  // The id of a fresh backup of data/.
  std::string backup() const;
  // Returns when a backup made then is not dated in the future.
  void wait_for_a_new_second() const;

  void write(const std::string& name, const std::string& content) const;
  std::string read(const std::string& name) const;
  // holdfast.yaml with state/ and cache/; neither vault nor key.
  void write_config(const std::string& more) const;

  // Path, size, time and mode of all below `name`: for "nothing changed".
  std::string listing(const std::string& name) const;
  // The only file whose path below the workshop contains `part`.
  std::string find_file(const std::string& directory, const std::string& part) const;

 private:
  TempDir directory_;
};

}  // namespace holdfast
