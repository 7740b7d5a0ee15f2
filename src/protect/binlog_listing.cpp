#include "protect/binlog_listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "vault/log_object.h"

namespace holdfast {
namespace {

constexpr std::string_view kPrefix = "mariadb-";

struct Objects {
  std::optional<LogName> whole;
  std::vector<LogName> pieces;
};
using Chunks = std::map<std::uint32_t, Objects>;

struct Found {
  std::string file;
  Chunks chunks;
};

// The pieces from the first byte on, without a hole; the last one tells of all before it.
std::optional<StoredChunk> chunk_of(std::uint32_t number, Objects& objects) {
  if (objects.whole) return StoredChunk{number, *objects.whole, false};
  std::sort(objects.pieces.begin(), objects.pieces.end(),
            [](const LogName& a, const LogName& b) { return a.piece->begin < b.piece->begin; });
  const LogName* furthest = nullptr;
  bool gap = false;
  for (const LogName& piece : objects.pieces) {
    const std::uint32_t reach = furthest == nullptr ? 0 : furthest->piece->end;
    gap = piece.piece->begin > reach;
    if (gap) break;
    if (piece.piece->end > reach) furthest = &piece;
  }
  if (furthest == nullptr) return std::nullopt;
  return StoredChunk{number, *furthest, gap};
}

StoredBinlog file_of(const BinlogName& name, Found& found) {
  StoredBinlog file{found.file, name, {}, false};
  for (auto& [number, objects] : found.chunks) {
    const auto chunk = number == file.chunks.size() ? chunk_of(number, objects) : std::nullopt;
    // Behind one that is not whole nothing can follow.
    file.gap = !chunk || (!file.chunks.empty() && !file.chunks.back().whole());
    if (file.gap) break;
    file.chunks.push_back(*chunk);
  }
  return file;
}

}  // namespace

std::string binlog_stream_name(std::uint32_t created, std::uint32_t server) {
  std::string time = format_compact(Timestamp(std::chrono::seconds{created}));
  std::replace(time.begin(), time.end(), '-', 'T');
  return fmt::format("{}{}Z-{}", kPrefix, time, server);
}

std::vector<StoredBinlogs> list_binlogs(const Vault& vault, const std::string& source) {
  // Names of files with other bases sort by their numbers, too: a stream has one base.
  std::map<std::string, std::map<BinlogName, Found>> streams;
  vault.store().list(log_prefix(source), [&](const ObjectInfo& info) {
    const auto name = parse_log_key(info.key);
    if (!name || !name->stream.starts_with(kPrefix)) return;
    const auto chunk = parse_binlog_chunk_name(name->file);
    if (!chunk) return;
    Found& found = streams[name->stream][*parse_binlog_name(chunk->file)];
    found.file = chunk->file;
    Objects& objects = found.chunks[chunk->chunk];
    if (name->piece) {
      objects.pieces.push_back(*name);
    } else {
      objects.whole = *name;
    }
  });
  std::vector<StoredBinlogs> logs;
  for (auto& [stream, files] : streams) {
    StoredBinlogs& log = logs.emplace_back();
    log.stream = stream;
    for (auto& [name, found] : files) log.files.push_back(file_of(name, found));
  }
  return logs;
}

BinlogChunkFacts read_chunk_facts(const Vault& vault, const LogName& name) {
  const LogHeader header = read_log_header(vault.store(), vault.ring(), name);
  try {
    return binlog_facts_from_json(nlohmann::json::parse(header.facts));
  } catch (Error& error) {
    throw error.add_context(name.key());
  }
}

}  // namespace holdfast
