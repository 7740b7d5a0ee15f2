#include "protect/log_listing.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "source/postgres/wal_file.h"
#include "vault/log_object.h"

namespace holdfast {
namespace {

// What the listing has of one file.
struct ListedSegment {
  bool whole = false;
  std::vector<LogPiece> pieces;
};

struct Listed {
  LogStream stream;
  std::map<std::string, ListedSegment> files;
};

std::uint64_t reach_of(std::vector<LogPiece> pieces) {
  std::sort(pieces.begin(), pieces.end(),
            [](const LogPiece& a, const LogPiece& b) { return a.begin < b.begin; });
  std::uint64_t reach = 0;
  for (const LogPiece& piece : pieces) {
    if (piece.begin > reach) break;
    reach = std::max<std::uint64_t>(reach, piece.end);
  }
  return reach;
}

// What the header of a whole segment, or of a piece, says.
std::uint64_t size_in_header(const Vault& vault, const LogName& name) {
  const LogHeader header = read_log_header(vault.store(), vault.ring(), name);
  if (!name.piece) return header.size;
  const auto facts = nlohmann::json::parse(header.facts, nullptr, false);
  return facts.is_object() ? facts.value("segment_size", std::uint64_t{0}) : 0;
}

std::uint32_t segment_size_of(const Vault& vault, const std::string& source, const Listed& listed) {
  // The newest: it is the least likely to lie in an archive tier.
  for (auto file = listed.files.rbegin(); file != listed.files.rend(); ++file) {
    if (wal_file_kind(file->first) != WalFileKind::kSegment) continue;
    LogName name{source, listed.stream.stream, file->first, {}};
    if (!file->second.whole) name.piece = file->second.pieces.front();
    try {
      const std::uint64_t size = size_in_header(vault, name);
      if (is_wal_segment_size(size)) return static_cast<std::uint32_t>(size);
    } catch (const Error& error) {
      if (error.code() != Code::kNotFound) throw;  // a piece that became whole meanwhile
    }
  }
  return kWalSegmentSize;
}

class TimelineBuilder {
 public:
  TimelineBuilder(std::uint32_t timeline, std::uint32_t segment_size)
      : segment_size_(segment_size) {
    result_.timeline = timeline;
  }

  void add(const WalSegment& segment, const std::string& name, const ListedSegment& held) {
    const std::uint64_t reach = held.whole ? segment_size_ : reach_of(held.pieces);
    if (reach < segment_size_) {
      result_.partial.push_back({name, held.pieces.size(), reach});
      return;
    }
    if (!last_ || last_->number + 1 != segment.number) {
      if (last_) note_gap(segment);
      result_.held.push_back({name, name, 0});
    }
    result_.held.back().last = name;
    ++result_.held.back().segments;
    last_ = segment;
  }
  LogTimeline take() { return std::move(result_); }

 private:
  void note_gap(const WalSegment& next) {
    const WalSegment first = last_->next();
    const WalSegment last{next.timeline, next.number - 1};
    result_.gaps.push_back(
        {first.name(segment_size_), last.name(segment_size_), next.number - first.number});
  }

  const std::uint32_t segment_size_;
  std::optional<WalSegment> last_;
  LogTimeline result_;
};

LogStream summarize(const Vault& vault, const std::string& source, Listed& listed) {
  LogStream& stream = listed.stream;
  stream.segment_size = segment_size_of(vault, source, listed);
  std::map<std::uint32_t, TimelineBuilder> timelines;
  for (const auto& [name, held] : listed.files) {
    const auto segment = parse_wal_segment(name, stream.segment_size);
    if (!segment) {
      stream.others.push_back(name);
      continue;
    }
    timelines.try_emplace(segment->timeline, segment->timeline, stream.segment_size)
        .first->second.add(*segment, name, held);
  }
  for (auto& [number, builder] : timelines) stream.timelines.push_back(builder.take());
  return std::move(stream);
}

}  // namespace

std::vector<LogStream> list_log(const Vault& vault, const std::string& source) {
  std::map<std::string, Listed> streams;
  vault.store().list(log_prefix(source), [&](const ObjectInfo& info) {
    const auto name = parse_log_key(info.key);
    if (!name) return;
    Listed& listed = streams[name->stream];
    listed.stream.stream = name->stream;
    ++listed.stream.objects;
    listed.stream.bytes += info.size;
    ListedSegment& held = listed.files[name->file];
    if (name->piece) {
      held.pieces.push_back(*name->piece);
    } else {
      held.whole = true;
    }
  });
  std::vector<LogStream> result;
  for (auto& [id, listed] : streams) result.push_back(summarize(vault, source, listed));
  return result;
}

}  // namespace holdfast
