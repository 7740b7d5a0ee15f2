#include "protect/verdict.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <string_view>

#include "base/error.h"

namespace holdfast {
namespace {

constexpr std::string_view kVerdicts = "run/verify/";
constexpr std::size_t kCompactTime = 15;  // characters
constexpr int kMostOfOneSecond = 100;     // more come from no proof, but from a store that lies

}  // namespace

void note_verdict(ObjectStore& store, const std::string& backup, Timestamp time,
                  const std::string& result, const nlohmann::json& facts) {
  nlohmann::json verdict = facts;
  verdict["backup"] = backup;
  verdict["result"] = result;
  const std::string place = std::string(kVerdicts) + backup + "/";
  for (int tries = 0; tries < kMostOfOneSecond; ++tries, time += std::chrono::seconds{1}) {
    verdict["time"] = format_compact(time);
    const std::string key = place + format_compact(time) + "-" + result;
    if (store.put_new(key, as_bytes(verdict.dump() + "\n"))) return;
  }
  throw Error(Code::kUnavailable,
              "the store says of each new key in " + place + " that it is taken",
              "holdfast store check tells what else it does wrong");
}

std::vector<std::pair<std::string, Timestamp>> verified_times(ObjectStore& store) {
  std::map<std::string, Timestamp> latest;
  store.list(kVerdicts, [&](const ObjectInfo& info) {
    const std::string_view rest = std::string_view(info.key).substr(kVerdicts.size());
    const auto slash = rest.find('/');
    const bool good = rest.ends_with("-content") || rest.ends_with("-restored");
    if (slash == std::string_view::npos || !good) return;
    const auto time = parse_compact(rest.substr(slash + 1, kCompactTime));
    if (!time) return;
    Timestamp& newest = latest[std::string(rest.substr(0, slash))];
    newest = std::max(newest, *time);
  });
  return {latest.begin(), latest.end()};
}

}  // namespace holdfast
