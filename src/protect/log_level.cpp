#include "protect/log_level.h"

#include <nlohmann/json.hpp>

#include "protect/log_archive.h"
#include "source/postgres/commit_index.h"
#include "source/postgres/wal_file.h"

namespace holdfast {

void mark_level_drop(const Vault& vault, const LogName& object, const std::string& facts) {
  // Nearly no segment has it: not every header is to be parsed.
  if (facts.find(kLevelDropFact) == std::string::npos) return;
  const auto json = nlohmann::json::parse(facts);
  const auto drop = facts_from_json(json).level_drop;
  const auto size = json.value("segment_size", kWalSegmentSize);
  const auto segment = parse_wal_segment(object.file, size);
  if (!drop || !segment) return;
  const LogName mark{object.source, object.stream, level_drop_mark(*segment, drop->lsn, size), {}};
  store_log(vault, mark, as_bytes("wal_level = minimal\n"));
}

}  // namespace holdfast
