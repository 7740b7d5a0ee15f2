#include "protect/log_world.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "protect/log_recovery.h"
#include "source/postgres/commit_index.h"
#include "source/postgres/wal_file.h"
#include "source_postgres/wal_maker.h"

namespace holdfast::test {
namespace {

constexpr std::int64_t kFirstCommit = 800'000'000'000'000;  // microseconds since 2000

std::string facts_of(ByteView content, std::uint64_t number, std::uint32_t timeline) {
  SegmentFacts facts(number * kSegment, timeline, kSegment);
  facts.feed(content);
  return facts.json().dump();
}

std::string short_name(const LogName& name) {
  std::string text = name.file;
  if (const auto segment = parse_wal_segment(name.file, kSegment)) {
    text = fmt::format("{}:{}", segment->timeline, segment->number);
  }
  if (name.piece) text += fmt::format("[{}-{}]", name.piece->begin, name.piece->end);
  return text;
}

}  // namespace

LogName log_file(const std::string& file, const std::string& stream) {
  return {kSource, stream, file, {}};
}

LogName log_segment(std::uint64_t number, std::uint32_t timeline, const std::string& stream) {
  return log_file(WalSegment{timeline, number}.name(kSegment), stream);
}

LogName log_piece(const LogName& whole, std::uint32_t begin, std::uint32_t end) {
  LogName name = whole;
  name.piece = LogPiece{begin, end};
  return name;
}

Bytes wal_content(std::uint64_t number, std::uint32_t timeline) {
  WalMaker::Shape shape;
  shape.start = number * kSegment;
  shape.timeline = timeline;
  WalMaker maker(shape);
  for (std::int64_t i = 0; i < 3; ++i) {
    maker.add(WalMaker::commit(kFirstCommit + static_cast<std::int64_t>(number) * 1000 + i));
  }
  maker.fill_segment();
  return maker.bytes();
}

void store_segment(const Vault& vault, std::uint64_t number, std::uint32_t timeline,
                   const std::string& stream) {
  store_segment(vault, number, wal_content(number, timeline), timeline, stream);
}

void store_segment(const Vault& vault, std::uint64_t number, ByteView content,
                   std::uint32_t timeline, const std::string& stream) {
  store_log(vault, log_segment(number, timeline, stream), content,
            facts_of(content, number, timeline), 1);
}

void store_segments(const Vault& vault, std::uint64_t first, std::uint64_t last,
                    std::uint32_t timeline, const std::string& stream) {
  for (std::uint64_t n = first; n <= last; ++n) store_segment(vault, n, timeline, stream);
}

void store_piece(const Vault& vault, std::uint64_t number, std::uint32_t begin, std::uint32_t end,
                 std::uint32_t timeline) {
  const Bytes content = wal_content(number, timeline);
  store_log(vault, log_piece(log_segment(number, timeline), begin, end),
            ByteView(content).subspan(begin, end - begin),
            facts_of(ByteView(content).first(end), number, timeline), 1);
}

void store_history(const Vault& vault, std::uint32_t timeline, std::uint32_t parent,
                   std::uint64_t number) {
  const std::string text = fmt::format("{}\t{}\tno recovery target specified\n", parent,
                                       format_lsn(number * kSegment + kSegment / 2));
  store_log(vault, log_file(fmt::format("{:08X}.history", timeline)), as_bytes(text));
}

BackupName store_database(const Vault& vault, std::uint64_t number, std::uint32_t timeline,
                          const std::string& system, const Bytes& segment) {
  std::map<std::string, Bytes> files;
  if (!segment.empty()) files["~holdfast/wal/" + log_segment(number, timeline).file] = segment;
  return store_database(
      vault,
      DatabaseFacts{"postgresql", "15.18", "physical", system, timeline,
                    format_lsn(number * kSegment + 0x28), format_lsn(number * kSegment + 0x100)},
      files);
}

BackupName store_database(const Vault& vault, const DatabaseFacts& facts,
                          const std::map<std::string, Bytes>& files) {
  const auto file = [](const std::string& path, ByteView content) {
    return StreamedFile{path, 0600, [content] {
                          return [rest = content](MutableBytes out) mutable {
                            const std::size_t size = std::min(out.size(), rest.size());
                            std::copy_n(rest.begin(), size, out.begin());
                            rest = rest.subspan(size);
                            return size;
                          };
                        }};
  };
  BackupJob job;
  job.backup_class = "database";
  job.source = kSource;
  job.threads = 1;
  job.streams = {file("data", as_bytes(facts.start))};
  for (const auto& [path, content] : files) job.streams.push_back(file(path, content));
  job.end = [&] {
    BackupEnding ending;
    ending.consistent = vault.clock().now();
    ending.database = facts;
    return ending;
  };
  return back_up(vault, job).summary.name;
}

LogRetentionResult retain_now(const Vault& vault, const LogPolicy& policy, Duration grace) {
  LogRetentionJob job;
  job.policy = [policy](const std::string&) { return policy; };
  job.grace = grace;
  return retain_log(vault, job, {});
}

std::vector<std::string> log_of(ObjectStore& store, const std::string& stream) {
  std::vector<std::string> names;
  for (const ObjectInfo& info : list_objects(store, log_prefix(kSource, stream))) {
    names.push_back(short_name(parse_log_key(info.key).value()));
  }
  return names;
}

std::string names_of(const std::vector<LogRemoval>& removals) {
  std::string text;
  for (const LogRemoval& removal : removals) {
    if (!text.empty()) text += ' ';
    text += short_name(removal.name);
  }
  return text;
}

std::string reach_of(const Vault& vault, const BackupName& backup) {
  const auto plan = plan_log(vault, read_backup(vault, backup).summary, "latest", {});
  if (!plan || plan->segments.empty()) return "";
  const auto number = [](const LogStep& step) {
    return parse_wal_segment(step.name.file, kSegment).value().number;
  };
  return fmt::format("{}-{}{}", number(plan->segments.front()), number(plan->segments.back()),
                     plan->gap ? "!" : "");
}

}  // namespace holdfast::test
