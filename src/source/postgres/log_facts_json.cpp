#include <nlohmann/json.hpp>

#include "base/error.h"
#include "source/postgres/log_facts.h"

namespace holdfast {

namespace {

using Json = nlohmann::json;

Json time_to_json(Timestamp time) { return format_rfc3339(time, true); }
Timestamp time_of(const Json& json) { return parse_rfc3339(json.get_ref<const std::string&>()); }
Lsn lsn_of(const Json& json) { return parse_lsn(json.get_ref<const std::string&>()); }

Json to_json(const LogMoment& moment) {
  return {
      {"time", time_to_json(moment.time)}, {"lsn", format_lsn(moment.lsn)}, {"xid", moment.xid}};
}

LogMoment moment_of(const Json& json) {
  return {time_of(json.at("time")), lsn_of(json.at("lsn")), json.at("xid").get<std::uint32_t>()};
}

Json to_json(const RestorePoint& point) {
  return {{"name", to_hex(as_bytes(point.name))},
          {"time", time_to_json(point.time)},
          {"lsn", format_lsn(point.lsn)}};
}

RestorePoint restore_point_of(const Json& json) {
  const Bytes name = from_hex(json.at("name").get_ref<const std::string&>());
  return {std::string(as_text(name)), time_of(json.at("time")), lsn_of(json.at("lsn"))};
}

Json to_json(const TimelineChange& change) {
  return {{"lsn", format_lsn(change.lsn)},
          {"time", time_to_json(change.time)},
          {"from", change.from},
          {"to", change.to}};
}

TimelineChange timeline_change_of(const Json& json) {
  return {lsn_of(json.at("lsn")), time_of(json.at("time")), json.at("from").get<std::uint32_t>(),
          json.at("to").get<std::uint32_t>()};
}

Json cut_to_json(Lsn lsn, const Bytes& bytes) {
  return {{"lsn", format_lsn(lsn)}, {"bytes", to_hex(bytes)}};
}

Bytes cut_bytes(const Json& json) {
  Bytes bytes = from_hex(json.at("bytes").get_ref<const std::string&>());
  if (bytes.size() > kCutRecordBytes) throw Error(Code::kCorrupt, "a cut record is too long");
  return bytes;
}

template <typename Element>
Json list_to_json(const std::vector<Element>& list) {
  Json json = Json::array();
  for (const Element& element : list) json.push_back(to_json(element));
  return json;
}

template <typename Parse>
auto list_of(const Json& json, const char* name, Parse parse) {
  std::vector<decltype(parse(json))> list;
  for (const Json& element : json.at(name).get_ref<const Json::array_t&>())
    list.push_back(parse(element));
  return list;
}

template <typename Parse>
auto optional_of(const Json& json, const char* name, Parse parse) {
  std::optional<decltype(parse(json))> value;
  if (json.contains(name)) value = parse(json.at(name));
  return value;
}

void optionals_to_json(const LogFacts& facts, Json& json) {
  if (facts.first_previous != 0) json["first_previous"] = format_lsn(facts.first_previous);
  if (facts.first_commit) json["first_commit"] = to_json(*facts.first_commit);
  if (facts.last_commit) json["last_commit"] = to_json(*facts.last_commit);
  if (facts.latest_end) json["latest_end"] = time_to_json(*facts.latest_end);
  if (facts.last_redo) json["last_redo"] = format_lsn(*facts.last_redo);
  if (facts.level_drop) {
    json[kLevelDropFact] = {{"lsn", format_lsn(facts.level_drop->lsn)},
                            {"previous", format_lsn(facts.level_drop->previous)}};
  }
  if (facts.tail) json["tail"] = cut_to_json(facts.tail->end_lsn, facts.tail->bytes);
  if (facts.head) json["head"] = cut_to_json(facts.head->lsn, facts.head->bytes);
}

void optionals_from_json(const Json& json, LogFacts& facts) {
  facts.first_previous = optional_of(json, "first_previous", lsn_of).value_or(0);
  facts.first_commit = optional_of(json, "first_commit", moment_of);
  facts.last_commit = optional_of(json, "last_commit", moment_of);
  facts.latest_end = optional_of(json, "latest_end", time_of);
  facts.last_redo = optional_of(json, "last_redo", lsn_of);
  facts.level_drop = optional_of(json, kLevelDropFact, [](const Json& drop) {
    return LevelDrop{lsn_of(drop.at("lsn")), lsn_of(drop.at("previous"))};
  });
  facts.tail = optional_of(json, "tail", [](const Json& cut) {
    return CutRecordTail{lsn_of(cut.at("lsn")), cut_bytes(cut)};
  });
  facts.head = optional_of(json, "head", [](const Json& cut) {
    return CutRecordHead{lsn_of(cut.at("lsn")), cut_bytes(cut)};
  });
}

LogFacts parse(const Json& json) {
  LogFacts facts;
  facts.begin_lsn = lsn_of(json.at("begin"));
  facts.end_lsn = lsn_of(json.at("end"));
  facts.major = json.at("postgres").get<int>();
  facts.timeline = json.at("timeline").get<std::uint32_t>();
  facts.system_id = json.at("system_id").get<std::uint64_t>();
  facts.first_lsn = lsn_of(json.at("first_lsn"));
  facts.last_record_lsn = lsn_of(json.at("last_record_lsn"));
  facts.last_lsn = lsn_of(json.at("last_lsn"));
  facts.commits = json.at("commits").get<std::uint64_t>();
  facts.aborts = json.at("aborts").get<std::uint64_t>();
  facts.oldest_xid = json.at("oldest_xid").get<std::uint32_t>();
  facts.newest_xid = json.at("newest_xid").get<std::uint32_t>();
  facts.checkpoints = json.at("checkpoints").get<std::uint64_t>();
  facts.restore_points = list_of(json, "restore_points", restore_point_of);
  facts.more_restore_points = json.at("more_restore_points").get<std::uint64_t>();
  facts.timeline_changes = list_of(json, "timeline_changes", timeline_change_of);
  optionals_from_json(json, facts);
  return facts;
}

}  // namespace

Json facts_to_json(const LogFacts& facts) {
  Json json = {{"begin", format_lsn(facts.begin_lsn)},
               {"end", format_lsn(facts.end_lsn)},
               {"postgres", facts.major},
               {"timeline", facts.timeline},
               {"system_id", facts.system_id},
               {"first_lsn", format_lsn(facts.first_lsn)},
               {"last_record_lsn", format_lsn(facts.last_record_lsn)},
               {"last_lsn", format_lsn(facts.last_lsn)},
               {"commits", facts.commits},
               {"aborts", facts.aborts},
               {"oldest_xid", facts.oldest_xid},
               {"newest_xid", facts.newest_xid},
               {"checkpoints", facts.checkpoints},
               {"restore_points", list_to_json(facts.restore_points)},
               {"more_restore_points", facts.more_restore_points},
               {"timeline_changes", list_to_json(facts.timeline_changes)}};
  optionals_to_json(facts, json);
  return json;
}

LogFacts facts_from_json(const Json& json) {
  try {
    return parse(json);
  } catch (const Json::exception& error) {
    throw Error(Code::kCorrupt, std::string("the facts of a piece of the log: ") + error.what());
  } catch (const Error& error) {
    throw Error(Code::kCorrupt, "the facts of a piece of the log: " + error.message());
  }
}

}  // namespace holdfast
