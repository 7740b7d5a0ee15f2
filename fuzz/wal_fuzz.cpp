// The write-ahead log that a PostgreSQL server, or a store, hands over.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "fuzz.h"
#include "source/postgres/commit_index.h"

using namespace holdfast;

namespace {

constexpr Lsn kStart = Lsn{5} << 20;

struct Outcome {
  LogFacts facts;
  std::uint64_t records = 0;
  bool failed = false;
};

Outcome read(ByteView log, std::size_t portion) {
  WalReaderOptions options;
  options.start = kStart;
  LogFactsBuilder builder(options);
  Outcome outcome;
  refuse_or_accept([&] {
    outcome.failed = true;
    while (!log.empty()) {
      const ByteView part = log.first(std::min(portion, log.size()));
      builder.feed(part);
      log = log.subspan(part.size());
    }
    outcome.failed = false;
  });
  outcome.facts = builder.facts();
  outcome.records = builder.reader().records();
  return outcome;
}

void check_facts(const LogFacts& facts) {
  require(facts_from_json(facts_to_json(facts)) == facts, "facts survive JSON");
  require(facts.commits > 0 || !facts.last_commit, "a commit is counted");
  LogFacts next = facts;
  next.begin_lsn = facts.end_lsn;
  refuse_or_accept([&] { merge(facts, next); });
  refuse_or_accept([&] {
    locate({facts, next}, {Timestamp{}, true});
    locate({facts, next}, {TargetXid{7}, true});
    locate({facts, next}, {TargetLsn{kStart + 100}, true});
    locate({facts, next}, {TargetName{"point"}, false});
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView log(data + 1, size - 1);
  const Outcome whole = read(log, log.size() + 1);
  const Outcome parts = read(log, std::size_t{data[0]} + 1);
  require(whole.failed == parts.failed && whole.records == parts.records,
          "portions make no difference");
  if (!whole.failed) {
    require(whole.facts == parts.facts, "portions make no difference to the facts");
    check_facts(whole.facts);
  }
  // Few inputs have a right checksum: what comes after it is also tried without one.
  refuse_or_accept([&] { parse_cut_record(kStart, kStart + 8, log, 15); });
  for (const std::uint8_t rmid : {kRmXlog, kRmXact}) {
    const auto length = static_cast<std::uint32_t>(log.size());
    refuse_or_accept([&] {
      parse_log_event({1, 2, 0, length, 3, rmid, data[0], 18, length, log});
    });
  }
  return 0;
}
