#include "protect/log_continuity.h"

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "base/error.h"
#include "source/postgres/commit_index.h"
#include "source/postgres/wal_file.h"
#include "store/at_once.h"
#include "vault/log_object.h"

namespace holdfast {
namespace {

constexpr Duration kPatience = std::chrono::seconds{1};  // between two looks at the stop token
constexpr int kSilent = 60;                              // so often; then the server is away
constexpr int kMostSegments = 4;
constexpr std::size_t kPieces = 64;  // are compared at a time, from the last on

// One object of a segment, and the bytes that it has of it.
struct Stored {
  LogName name;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

class Comparison {
 public:
  Comparison(const Vault& vault, PgReplication& server, const LogEnd& end,
             const std::stop_token& stop)
      : vault_(vault), server_(server), end_(end), stop_(stop) {}

  LogContinuity run() {
    Lsn end = end_.end;
    for (int i = 0; i < kMostSegments && end > 0 && !decided_; ++i) {
      const Lsn start = (end - 1) / end_.segment_size * end_.segment_size;
      const std::vector<Stored> stored = stored_of(start, static_cast<std::uint32_t>(end - start));
      if (stored.empty() || !receive(start, static_cast<std::size_t>(end - start))) break;
      if (!compare(start, stored)) return LogContinuity::kOther;
      end = start;
    }
    return compared_ ? LogContinuity::kSame : LogContinuity::kUnknown;
  }

 private:
  // The last first. Of a segment that is whole there is no need to look at its pieces.
  std::vector<Stored> stored_of(Lsn start, std::uint32_t size) const {
    const WalSegment segment{end_.timeline, start / end_.segment_size};
    const std::string file = segment.name(end_.segment_size);
    std::vector<Stored> stored;
    bool whole = false;
    vault_.store().list(log_prefix(end_.source, end_.system) + file, [&](const ObjectInfo& info) {
      auto name = parse_log_key(info.key);
      if (!name || name->file != file) return;
      whole = whole || !name->piece;
      const LogPiece piece = name->piece.value_or(LogPiece{0, end_.segment_size});
      if (piece.end <= size) stored.push_back({*std::move(name), piece.begin, piece.end});
    });
    if (whole) std::erase_if(stored, [](const Stored& one) { return one.name.piece.has_value(); });
    std::sort(stored.begin(), stored.end(),
              [](const Stored& a, const Stored& b) { return a.end > b.end; });
    return stored;
  }

  // False when the server has it no longer.
  bool receive(Lsn start, std::size_t size) {
    bytes_.clear();
    try {
      server_.start("", start, end_.timeline);
      take(start, size);
      server_.end_stream();
    } catch (const Error& error) {
      if (error.code() != Code::kNotFound) throw;
      return false;
    }
    return bytes_.size() == size;
  }

  void take(Lsn start, std::size_t size) {
    int silent = 0;
    while (bytes_.size() < size) {
      if (stop_.stop_requested()) throw Error(Code::kCancelled, "interrupted");
      const auto message = server_.receive(kPatience, -1);
      if (!message && ++silent == kSilent) {
        throw Error(Code::kUnavailable, "the server sends nothing of its log");
      }
      if (!message) continue;
      silent = 0;
      if (message->kind == WalMessageKind::kEnd) return;
      if (message->reply_wanted) server_.report(0, 0, vault_.clock().now());
      if (message->kind != WalMessageKind::kData) continue;
      if (message->start != start + bytes_.size()) {
        throw Error(Code::kUnavailable, "the stream of the server's log jumped");
      }
      append(bytes_, message->data.first(std::min(message->data.size(), size - bytes_.size())));
    }
  }

  // False when one differs. Decided once a commit is among what was compared.
  bool compare(Lsn start, const std::vector<Stored>& stored) {
    std::optional<Lsn> last_commit;
    for (std::size_t first = 0; first < stored.size() && !decided_; first += kPieces) {
      const std::size_t count = std::min(kPieces, stored.size() - first);
      std::atomic<bool> same = true;
      std::atomic<std::size_t> read = 0;
      at_once(
          vault_.store(), count,
          [&](std::size_t i) {
            const Stored& one = stored[first + i];
            const auto header = header_of(one.name);
            if (!header) return;
            ++read;
            const ByteView bytes = ByteView(bytes_).subspan(one.begin, one.end - one.begin);
            if (!is_content(vault_.ring(), *header, bytes)) same = false;
            // The last piece's facts are those of all before it.
            if (first + i == 0) last_commit = last_commit_of(*header);
          },
          stop_);
      if (!same) return false;
      compared_ = compared_ || read > 0;
      decided_ =
          read == count && last_commit && *last_commit >= start + stored[first + count - 1].begin;
    }
    return true;
  }

  std::optional<LogHeader> header_of(const LogName& name) const {
    try {
      return read_log_header(vault_.store(), vault_.ring(), name);
    } catch (const Error& error) {
      if (error.code() != Code::kNotFound && error.code() != Code::kCorrupt) throw;
      return std::nullopt;
    }
  }

  static std::optional<Lsn> last_commit_of(const LogHeader& header) {
    const auto facts = nlohmann::json::parse(header.facts, nullptr, false);
    if (!facts.is_object() || facts.empty()) return std::nullopt;
    try {
      const auto commit = facts_from_json(facts).last_commit;
      return commit ? std::optional(commit->lsn) : std::nullopt;
    } catch (const Error&) {
      return std::nullopt;  // then more is compared
    }
  }

  const Vault& vault_;
  PgReplication& server_;
  const LogEnd& end_;
  const std::stop_token& stop_;
  Bytes bytes_;
  bool compared_ = false;
  bool decided_ = false;
};

}  // namespace

LogContinuity compare_log(const Vault& vault, PgReplication& server, const LogEnd& end,
                          const std::stop_token& stop) {
  return Comparison(vault, server, end, stop).run();
}

}  // namespace holdfast
