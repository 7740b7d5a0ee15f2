// The log of a real server: what pg_waldump says of it is what we must say.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <regex>
#include <sstream>

#include "cluster.h"
#include "os/file.h"
#include "source/postgres/commit_index.h"
#include "source/postgres/timeline_history.h"
#include "source/postgres/wal_reader.h"

namespace holdfast {
namespace {

const std::vector<std::string> kManagers = {
    "XLOG",       "Transaction",   "Storage", "CLOG",     "Database",
    "Tablespace", "MultiXact",     "RelMap",  "Standby",  "Heap2",
    "Heap",       "Btree",         "Hash",    "Gin",      "Gist",
    "Sequence",   "SPGist",        "BRIN",    "CommitTs", "ReplicationOrigin",
    "Generic",    "LogicalMessage"};

struct Row {
  std::string manager;
  unsigned length = 0;
  unsigned xid = 0;
  Lsn lsn = 0;
  Lsn previous = 0;
  bool operator==(const Row&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Row& row) {
  return out << row.manager << ' ' << row.length << ' ' << row.xid << ' ' << format_lsn(row.lsn);
}

struct Dump {
  std::vector<Row> rows;
  std::vector<std::pair<Timestamp, unsigned>> commits;  // and the transactions
  unsigned aborts = 0;
};

// What pg_waldump prints of the segments `first` to `last`.
Dump dump(const Cluster& cluster, const std::string& first, const std::string& last) {
  const std::string file = cluster.path("dump.txt");
  // It complains of the log's end, with an exit code, after having printed all of it.
  cluster.shell("cd " + cluster.data() + "/pg_wal && $BIN/pg_waldump " + first + " " + last +
                " > " + file + " 2> /dev/null || true");
  static const std::regex line_form(R"(rmgr: (\S+) +len \(rec/tot\): *\d+/ *(\d+), tx: +(\d+), )"
                                    R"(lsn: ([0-9A-F/]+), prev ([0-9A-F/]+), desc: (.*))");
  static const std::regex end_form(
      R"((COMMIT|ABORT)(?:_PREPARED (\d+):)? (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+) UTC.*)");
  Dump found;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    line.resize(std::min<std::size_t>(line.size(), 300));  // it prints whole messages
    std::smatch m;
    if (!std::regex_match(line, m, line_form)) continue;
    Row row{m[1], static_cast<unsigned>(std::stoul(m[2])), static_cast<unsigned>(std::stoul(m[3])),
            parse_lsn(m[4].str()), parse_lsn(m[5].str())};
    found.rows.push_back(row);
    const std::string description = m[6];
    std::smatch end;
    if (row.manager != "Transaction" || !std::regex_match(description, end, end_form)) continue;
    if (end[1] == "ABORT") {
      ++found.aborts;
    } else {
      found.commits.emplace_back(parse_rfc3339(end[3].str() + "Z"),
                                 end[2].matched ? std::stoul(end[2]) : row.xid);
    }
  }
  return found;
}

Lsn start_of(const std::string& segment) {
  return std::stoull(segment.substr(8, 8), nullptr, 16) << 32 |
         std::stoull(segment.substr(16, 8), nullptr, 16) << 20;
}

Bytes read_segment(const Cluster& cluster, const std::string& name) {
  return read_file(cluster.data() + "/pg_wal/" + name);
}

std::vector<Row> read_rows(ByteView log, Lsn start, std::uint32_t timeline, std::uint64_t seed) {
  std::vector<Row> rows;
  WalReaderOptions options;
  options.start = start;
  options.timeline = timeline;
  WalReader reader(options, [&](const WalRecord& record) {
    EXPECT_LT(record.rmid, kManagers.size());
    rows.push_back(
        {kManagers.at(record.rmid), record.total_length, record.xid, record.lsn, record.previous});
  });
  std::mt19937_64 random(seed);
  while (!log.empty()) {
    const std::size_t size = seed == 0 ? log.size() : seed == 1 ? 1 : 1 + random() % 100'000;
    const ByteView part = log.first(std::min(size, log.size()));
    reader.feed(part);
    log = log.subspan(part.size());
  }
  return rows;
}

void write_everything(const Cluster& cluster) {
  cluster.sql(R"(
    CREATE TABLE t (n int primary key, v text);
    CREATE INDEX ON t USING gin (to_tsvector('simple', v));
    INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, 3000) i;
    SELECT pg_create_restore_point('before deploy');
    BEGIN; INSERT INTO t VALUES (10001, 'x'); SAVEPOINT a; INSERT INTO t VALUES (10002, 'y');
    ROLLBACK TO a; INSERT INTO t VALUES (10003, 'z'); COMMIT;
    BEGIN; DELETE FROM t WHERE n < 100; ROLLBACK;
    SELECT pg_switch_wal();
    CREATE TABLE big (v text);
    ALTER TABLE big ALTER v SET STORAGE EXTERNAL;
    INSERT INTO big SELECT string_agg(md5(i::text), '') FROM generate_series(1, 100000) i;
    SELECT pg_logical_emit_message(true, 'test', repeat('y', 3000000));
    BEGIN; CREATE TABLE p (n int); INSERT INTO p VALUES (1); PREPARE TRANSACTION 'one';
    BEGIN; INSERT INTO t VALUES (20001, 'q'); PREPARE TRANSACTION 'two';
    CHECKPOINT;
    COMMIT PREPARED 'one';
    ROLLBACK PREPARED 'two';
    SELECT pg_create_restore_point(E'na\u00efve \u2603');
    DROP TABLE big;
    SELECT pg_switch_wal();
    VACUUM FULL t;
    CREATE DATABASE other;
  )");
  for (int i = 0; i < 60; ++i) {
    cluster.sql("BEGIN; INSERT INTO t VALUES (" + std::to_string(30000 + i) +
                ", repeat('a', 2000)); COMMIT; UPDATE t SET v = repeat(v, 2) WHERE n % 60 = " +
                std::to_string(i));
  }
}

TEST(WalServer, ReadsWhatPgWaldumpReads) {
  Cluster cluster;
  cluster.start();
  write_everything(cluster);
  cluster.stop();

  const std::vector<std::string> segments = cluster.segments();
  ASSERT_GT(segments.size(), 8u);
  const Dump expected = dump(cluster, segments.front(), segments.back());
  ASSERT_GT(expected.rows.size(), 10'000u);
  Bytes log;
  std::vector<LogFacts> each;
  for (const std::string& segment : segments) {
    const Bytes bytes = read_segment(cluster, segment);
    append(log, bytes);
    each.push_back(summarize_segment(bytes, start_of(segment), 1));
  }
  const Lsn start = start_of(segments.front());
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const std::vector<Row> rows = read_rows(log, start, 1, seed);
    const auto [ours, theirs] =
        std::mismatch(rows.begin(), rows.end(), expected.rows.begin(), expected.rows.end());
    ASSERT_TRUE(ours == rows.end()) << seed << ' ' << *ours;
    ASSERT_TRUE(theirs == expected.rows.end()) << seed << ' ' << *theirs;
  }

  // Each segment by itself, put together, is as the whole log read at once.
  WalReaderOptions options;
  options.start = start;
  LogFactsBuilder builder(options);
  builder.feed(log);
  LogFacts merged = each.front();
  std::size_t cut = 0;
  for (std::size_t i = 1; i < each.size(); ++i) {
    cut += each[i].tail.has_value();
    EXPECT_EQ(facts_from_json(facts_to_json(each[i])), each[i]);
    merged = merge(merged, each[i]);
  }
  EXPECT_GT(cut, 3u);
  EXPECT_EQ(merged, builder.facts());
  EXPECT_EQ(merged.commits, expected.commits.size());
  EXPECT_EQ(merged.aborts, expected.aborts);
  EXPECT_GE(merged.aborts, 2u);
  ASSERT_TRUE(merged.last_commit);
  EXPECT_EQ(merged.last_commit->time, expected.commits.back().first);
  EXPECT_EQ(merged.last_commit->xid, expected.commits.back().second);
  EXPECT_EQ(merged.first_commit->time, expected.commits.front().first);
  ASSERT_EQ(merged.restore_points.size(), 2u);
  EXPECT_EQ(merged.restore_points[1].name, "na\u00efve \u2603");
  EXPECT_EQ(merged.major, 15);
  std::printf("%zu segments, %zu records (%zu over an end), %llu commits\n", segments.size(),
              expected.rows.size(), cut, static_cast<unsigned long long>(merged.commits));

  // Every commit is found in the segment that has it, by its time and by its transaction.
  for (std::size_t i = 1; i + 1 < expected.commits.size(); ++i) {
    const auto& [time, xid] = expected.commits[i];
    const Location at = locate(each, {time, true});
    ASSERT_EQ(at.reach, Reach::kReachable);
    const Location by_xid = locate(each, {TargetXid{xid}, true});
    EXPECT_TRUE(by_xid.reach == Reach::kReachable || by_xid.reach == Reach::kPossible) << xid;
  }
  EXPECT_EQ(locate(each, {expected.commits.back().first, true}).reach, Reach::kAtEnd);
}

TEST(WalServer, FollowsAPromotion) {
  Cluster cluster;
  cluster.start();
  cluster.sql(
      "CREATE TABLE t (n int); INSERT INTO t VALUES (1); SELECT pg_switch_wal();"
      "INSERT INTO t VALUES (2)");
  cluster.stop();
  cluster.append_file("data/standby.signal", "");
  cluster.start();
  cluster.promote();
  cluster.sql("INSERT INTO t VALUES (3); SELECT pg_switch_wal(); INSERT INTO t VALUES (4)");
  cluster.stop();

  const Bytes text = read_file(cluster.data() + "/pg_wal/00000002.history");
  const TimelineHistory history = TimelineHistory::parse(as_text(text), 2);
  ASSERT_EQ(history.spans().size(), 2u);
  const Lsn fork = *history.left_at(1);
  EXPECT_EQ(history.spans()[0].reason, "no recovery target specified");
  EXPECT_EQ(history.timeline_at(fork - 1), 1u);
  EXPECT_EQ(history.timeline_at(fork), 2u);

  std::vector<LogFacts> log;
  for (const std::string& name : cluster.segments()) {
    const auto timeline = static_cast<std::uint32_t>(std::stoul(name.substr(0, 8)));
    const Lsn start = start_of(name);
    // A segment is taken from the timeline that its end is on.
    if (history.timeline_at(start + (1u << 20) - 1) != timeline) continue;
    log.push_back(summarize_segment(read_segment(cluster, name), start, timeline));
  }
  const auto change = std::find_if(log.begin(), log.end(), [](const LogFacts& facts) {
    return !facts.timeline_changes.empty();
  });
  ASSERT_NE(change, log.end());
  ASSERT_EQ(change->timeline_changes.size(), 1u);
  EXPECT_EQ(change->timeline_changes[0].from, 1u);
  EXPECT_EQ(change->timeline_changes[0].to, 2u);
  EXPECT_EQ(change->timeline_changes[0].lsn, fork);
  EXPECT_EQ(log.front().timeline, 1u);
  EXPECT_EQ(log.back().timeline, 2u);
  EXPECT_EQ(locate(log, {TargetLsn{fork}, true}).reach, Reach::kReachable);
}

}  // namespace
}  // namespace holdfast
