#include <nlohmann/json.hpp>

#include "base/error.h"
#include "source/mariadb/binlog_chunk.h"

namespace holdfast {
namespace {

using Json = nlohmann::json;

Json to_json(const BinlogTransaction& transaction) {
  return {{"gtid", to_text(transaction.gtid)},
          {"time", transaction.time},
          {"begin", transaction.begin},
          {"end", transaction.end}};
}

BinlogTransaction transaction_of(const Json& json) {
  return {parse_gtid(json.at("gtid").get_ref<const std::string&>()),
          json.at("time").get<std::uint32_t>(), json.at("begin").get<std::uint64_t>(),
          json.at("end").get<std::uint64_t>()};
}

std::optional<BinlogTransaction> optional_of(const Json& json, const char* name) {
  if (!json.contains(name)) return std::nullopt;
  return transaction_of(json.at(name));
}

Json to_json(const BinlogState& state) {
  Json json{
      {"offset", state.offset}, {"checksums", state.checksums}, {"gtid", state.position.text()}};
  if (!state.open) return json;
  json["open"] = to_json(*state.open);
  json["standalone"] = state.standalone;
  return json;
}

BinlogState state_of(const Json& json) {
  BinlogState state;
  state.offset = json.at("offset").get<std::uint64_t>();
  state.checksums = json.at("checksums").get<bool>();
  state.position = GtidPosition(json.at("gtid").get_ref<const std::string&>());
  state.open = optional_of(json, "open");
  state.standalone = state.open && json.at("standalone").get<bool>();
  return state;
}

BinlogChunkFacts facts_of(const Json& json) {
  BinlogChunkFacts facts;
  facts.file = json.at("file").get<std::string>();
  facts.begin = json.at("begin").get<std::uint64_t>();
  facts.end = json.at("end").get<std::uint64_t>();
  facts.engine = engine_of_key(json.at("engine").get_ref<const std::string&>());
  facts.system = json.at("system").get<std::string>();
  facts.server_version = json.at("version").get<std::string>();
  facts.created = json.at("created").get<std::uint32_t>();
  facts.server = json.at("server").get<std::uint32_t>();
  facts.from = state_of(json.at("from"));
  facts.to = state_of(json.at("to"));
  facts.before = GtidPosition(json.at("before").get_ref<const std::string&>());
  facts.transactions = json.at("transactions").get<std::uint64_t>();
  facts.first = optional_of(json, "first");
  facts.last = optional_of(json, "last");
  facts.latest = json.at("latest").get<std::uint32_t>();
  facts.closed = json.at("closed").get<bool>();
  return facts;
}

}  // namespace

Json binlog_facts_to_json(const BinlogChunkFacts& facts) {
  Json json{{"engine", engine_key(facts.engine)},
            {"file", facts.file},
            {"begin", facts.begin},
            {"end", facts.end},
            {"system", facts.system},
            {"version", facts.server_version},
            {"created", facts.created},
            {"server", facts.server},
            {"from", to_json(facts.from)},
            {"to", to_json(facts.to)},
            {"before", facts.before.text()},
            {"transactions", facts.transactions},
            {"latest", facts.latest},
            {"closed", facts.closed}};
  if (facts.first) json["first"] = to_json(*facts.first);
  if (facts.last) json["last"] = to_json(*facts.last);
  return json;
}

BinlogChunkFacts binlog_facts_from_json(const Json& json) {
  try {
    if (!has_binary_log(json.at("engine").get_ref<const std::string&>())) {
      throw Error(Code::kCorrupt, "they are of another engine");
    }
    return facts_of(json);
  } catch (const Json::exception& error) {
    throw Error(Code::kCorrupt,
                std::string("the facts of a log file are damaged: ") + error.what());
  } catch (const Error& error) {
    throw Error(Code::kCorrupt, "the facts of a log file are damaged: " + error.message());
  }
}

}  // namespace holdfast
