#include "protect/log_catch_up.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/human.h"
#include "protect/log_archive.h"
#include "protect/log_repair.h"
#include "source/mariadb/binlog_chunk.h"

namespace holdfast {
namespace {

constexpr int kRounds = 3;
constexpr std::size_t kTimelineDigits = 8;
constexpr std::size_t kSegmentDigits = 24;

bool is_history(const std::string& file) { return file.ends_with(".history"); }

// Files of one line of the log: a timeline of PostgreSQL, all of a MariaDB stream.
std::string line_of(const std::string& file) {
  return parse_binlog_chunk_name(file) ? std::string{} : file.substr(0, kTimelineDigits);
}

// Sorts as the files were written; what belongs to a segment ("….backup") has that one's.
std::string rank_of(const std::string& file) {
  const auto chunk = parse_binlog_chunk_name(file);
  if (!chunk) return file.substr(0, kSegmentDigits);
  const auto name = parse_binlog_name(chunk->file);
  return fmt::format("{:020}.{:08X}", name->number, chunk->chunk);
}

struct HeldSegment {
  bool whole = false;
  std::vector<LogPiece> pieces;  // by their beginnings

  std::uint64_t reach() const {
    std::uint64_t reach = 0;
    for (const LogPiece& piece : pieces) {
      if (piece.begin <= reach) reach = std::max<std::uint64_t>(reach, piece.end);
    }
    return reach;
  }
};

using Files = std::map<std::string, HeldSegment>;

struct Place {
  const Vault* vault = nullptr;
  Files files;
  std::map<std::string, std::string> first;  // rank of the oldest file of each line
};

Place list_place(const Vault& vault, const std::string& source, const std::string& stream) {
  Place place{&vault, {}, {}};
  vault.store().list(log_prefix(source, stream), [&](const ObjectInfo& info) {
    const auto name = parse_log_key(info.key);
    if (!name) return;
    HeldSegment& held = place.files[name->file];
    if (name->piece) {
      held.pieces.push_back(*name->piece);
    } else {
      held.whole = true;
    }
  });
  // A directory that is not mounted any more is empty, too.
  if (place.files.empty() && !vault.store().stat("holdfast.json")) {
    throw Error(Code::kUnavailable, "the vault in " + vault.store().traits().url + " is gone",
                "check that it is mounted, and its address");
  }
  for (auto& [file, held] : place.files) {
    std::sort(held.pieces.begin(), held.pieces.end(),
              [](const LogPiece& a, const LogPiece& b) { return a.begin < b.begin; });
    if (is_history(file)) continue;
    const std::string rank = rank_of(file);
    const auto [at, fresh] = place.first.try_emplace(line_of(file), rank);
    if (!fresh) at->second = std::min(at->second, rank);
  }
  return place;
}

class CatchUp {
 public:
  // With `target`: only that one gets anything.
  CatchUp(const std::vector<const Vault*>& vaults, const Vault* target, const std::string& source,
          const std::string& stream, const std::function<void(const std::string&)>& notify,
          const std::stop_token& stop)
      : vaults_(vaults),
        target_(target),
        source_(source),
        stream_(stream),
        notify_(notify),
        stop_(stop) {}

  // False when something vanished meanwhile: what replaced it has to be listed.
  bool run() {
    places_.clear();
    for (const Vault* vault : vaults_) places_.push_back(list_place(*vault, source_, stream_));
    find_newest();
    bool all = true;
    for (const Place& place : places_) {
      if (target_ == nullptr || place.vault == target_) all = bring_all(place) && all;
    }
    return all;
  }

 private:
  void find_newest() {
    newest_ = {};
    for (const Place& place : places_) {
      for (const auto& [file, held] : place.files) {
        if (is_history(file)) continue;
        newest_ = std::max(newest_, {line_of(file), rank_of(file)});
      }
    }
  }

  bool wants(const Place& place, const std::string& file) const {
    const std::string line = line_of(file);
    if (place.first.empty()) {
      return line == newest_.first && (is_history(file) || rank_of(file) == newest_.second);
    }
    const auto first = place.first.find(line);
    if (first == place.first.end()) return line > place.first.rbegin()->first;
    return is_history(file) || rank_of(file) >= first->second;
  }

  std::vector<LogName> missing(const Place& place) const {
    std::set<std::string> files;
    for (const Place& other : places_) {
      for (const auto& [file, held] : other.files) {
        if (wants(place, file)) files.insert(file);
      }
    }
    std::vector<LogName> names;
    for (const std::string& file : files) add_missing(place, file, names);
    return names;
  }

  void add_missing(const Place& place, const std::string& file, std::vector<LogName>& names) const {
    const auto found = place.files.find(file);
    const HeldSegment here = found == place.files.end() ? HeldSegment{} : found->second;
    if (here.whole) return;
    const LogName whole{source_, stream_, file, {}};
    std::vector<LogPiece> pieces;
    for (const Place& other : places_) {
      const auto there = other.files.find(file);
      if (there == other.files.end()) continue;
      if (there->second.whole) return names.push_back(whole);
      for (const LogPiece& piece : there->second.pieces) {
        if (piece.end > here.reach()) pieces.push_back(piece);
      }
    }
    std::sort(pieces.begin(), pieces.end(), [](const LogPiece& a, const LogPiece& b) {
      return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
    });
    pieces.erase(std::unique(pieces.begin(), pieces.end()), pieces.end());
    for (const LogPiece& piece : pieces) {
      if (std::find(here.pieces.begin(), here.pieces.end(), piece) != here.pieces.end()) continue;
      names.push_back({source_, stream_, file, piece});
    }
  }

  bool bring_all(const Place& place) {
    const std::vector<LogName> names = missing(place);
    if (names.empty()) return true;
    const std::string url = place.vault->store().traits().url;
    std::set<std::string> files;
    for (const LogName& name : names) files.insert(name.file);
    notify_(fmt::format("{} lacks log that another place has: bringing {} there, {} to {}", url,
                        plural(files.size(), "file"), names.front().file, names.back().file));
    if (place.first.empty()) {
      notify_(url + " had nothing of this log: holdfast copy brings what is older");
    }
    bool all = true;
    for (const LogName& name : names) all = bring(*place.vault, name) && all;
    return all;
  }

  // False when it has vanished from all places.
  bool bring(const Vault& to, const LogName& name) const {
    std::optional<Error> trouble;
    for (const Vault* from : vaults_) {
      if (stop_.stop_requested()) throw Error(Code::kCancelled, "interrupted");
      if (from == &to) continue;
      try {
        copy(*from, to, name);
        return true;
      } catch (const Error& error) {
        if (error.code() == Code::kNotFound) continue;
        if (error.code() != Code::kCorrupt && error.code() != Code::kUnsupported) throw;
        trouble = error;
      }
    }
    if (!trouble) return false;
    notify_(fmt::format("{} stays without {}, which cannot be had: {}", to.store().traits().url,
                        name.key(), trouble->message()));
    return true;
  }

  static void copy(const Vault& from, const Vault& to, const LogName& name) {
    const std::string key = name.key();
    const Bytes object = read(from.store(), key);
    require_sound_log(from, object, name);
    to.require_writable();
    to.store().put_new(key, object);
    if (!name.piece) remove_log_pieces(to, name);
  }

  static Bytes read(ObjectStore& store, const std::string& key) {
    if (store.tier(key) == Tier::kReady) return store.get(key);
    throw Error(Code::kUnsupported, "it lies in an archive tier of " + store.traits().url,
                "holdfast copy");
  }

  const std::vector<const Vault*>& vaults_;
  const Vault* const target_;
  const std::string& source_;
  const std::string& stream_;
  const std::function<void(const std::string&)>& notify_;
  const std::stop_token& stop_;
  std::vector<Place> places_;
  std::pair<std::string, std::string> newest_;  // line and rank
};

void even_out(const std::vector<const Vault*>& places, const Vault* target,
              const std::string& source, const std::string& stream,
              const std::function<void(const std::string&)>& notify, const std::stop_token& stop) {
  try {
    CatchUp work(places, target, source, stream, notify, stop);
    for (int round = 0; round < kRounds; ++round) {
      if (work.run()) return;
    }
  } catch (const Error& error) {
    // As with an upload: whoever makes room need not start the stream again.
    if (error.code() != Code::kExhausted) throw;
    throw Error(Code::kUnavailable, error.message());
  }
  throw Error(Code::kUnavailable,
              "the log of " + source + " changed while its places were compared");
}

}  // namespace

void catch_up_log(const std::vector<const Vault*>& places, const std::string& source,
                  const std::string& stream, const std::function<void(const std::string&)>& notify,
                  const std::stop_token& stop) {
  if (places.size() > 1) even_out(places, nullptr, source, stream, notify, stop);
}

void bring_log(const Vault& from, const Vault& to, const std::string& source,
               const std::string& stream, const std::function<void(const std::string&)>& notify,
               const std::stop_token& stop) {
  even_out({&to, &from}, &to, source, stream, notify, stop);
}

}  // namespace holdfast
