#include "protect/log_branch.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

#include "base/error.h"
#include "source/postgres/commit_index.h"
#include "source/postgres/wal_file.h"
#include "vault/log_object.h"

namespace holdfast {
namespace {

std::optional<LogFacts> facts_of(const Vault& vault, const LogName& name) {
  try {
    const LogHeader header = read_log_header(vault.store(), vault.ring(), name);
    const auto json = nlohmann::json::parse(header.facts, nullptr, false);
    if (!json.is_object() || json.empty()) return std::nullopt;
    return facts_from_json(json);
  } catch (const Error& error) {
    // What the chosen branch lacks is found out when it is read.
    if (error.code() != Code::kNotFound && error.code() != Code::kCorrupt) throw;
    return std::nullopt;
  }
}

class Chooser {
 public:
  Chooser(const Vault& vault, const LogTimelines& log, std::uint32_t timeline, Lsn stop)
      : vault_(vault), log_(log), timeline_(timeline), stop_(stop) {}

  BranchChoice choose() {
    std::vector<LogBranch> live;
    for (const auto& [timeline, history] : log_.histories) {
      if (is_candidate(timeline)) candidates_.push_back(&history);
    }
    if (candidates_.size() == 1) {
      live.push_back(branch_of(*candidates_.front()));
    } else {
      for (const TimelineHistory* history : candidates_) {
        LogBranch branch = with_commit(*history);
        if (!is_superseded(branch)) live.push_back(branch);
      }
    }
    const auto chosen = std::max_element(
        live.begin(), live.end(), [](const auto& a, const auto& b) { return rank(a) < rank(b); });
    BranchChoice choice{log_.histories.at(chosen->timeline), {}};
    LogBranch best = *chosen;
    live.erase(chosen);
    choice.others = std::move(live);
    add_unreachable(std::move(best), choice);
    return choice;
  }

 private:
  static std::tuple<bool, Timestamp, std::uint32_t> rank(const LogBranch& branch) {
    return {branch.last_commit.has_value(),
            branch.last_commit ? branch.last_commit->time : Timestamp{}, branch.timeline};
  }

  bool has_log(std::uint32_t timeline) const {
    const auto found = log_.newest.find(timeline);
    return found != log_.newest.end() && !found->second.empty();
  }

  // One of which only the history is there leads no further than the one before it.
  bool is_candidate(std::uint32_t timeline) const {
    if (timeline == timeline_) return true;
    return has_log(timeline) && log_.histories.at(timeline).leads_here(timeline_, stop_);
  }

  static LogBranch branch_of(const TimelineHistory& history) {
    return {history.timeline(), history.spans().back().begin, std::nullopt, true};
  }

  // Commits before `floor` decide nothing.
  LogBranch with_commit(const TimelineHistory& history) const {
    LogBranch branch = branch_of(history);
    if (!has_log(branch.timeline)) return branch;
    Lsn floor = branch.begin;
    for (const TimelineHistory* other : candidates_) {
      if (const auto left = other->left_at(branch.timeline)) floor = std::max(floor, *left);
    }
    for (const LogName& name : log_.newest.at(branch.timeline)) {
      const auto segment = parse_wal_segment(name.file, log_.segment_size);
      if (!segment || (segment->number + 1) * log_.segment_size <= floor) break;
      const auto facts = facts_of(vault_, name);
      if (!facts || !facts->last_commit) continue;
      if (facts->last_commit->lsn >= branch.begin) branch.last_commit = facts->last_commit;
      break;
    }
    return branch;
  }

  // All of it is on the way to another one.
  bool is_superseded(const LogBranch& branch) const {
    return std::any_of(candidates_.begin(), candidates_.end(), [&](const TimelineHistory* other) {
      const auto left = other->left_at(branch.timeline);
      return left && (!branch.last_commit || branch.last_commit->lsn < *left);
    });
  }

  void add_unreachable(LogBranch chosen, BranchChoice& choice) const {
    for (const auto& [timeline, history] : log_.histories) {
      if (timeline <= timeline_ || !has_log(timeline) || is_candidate(timeline)) continue;
      // Where one came from that is named already, or that was chosen.
      if (choice.history.left_at(timeline)) continue;
      LogBranch branch = with_commit(history);
      if (!branch.last_commit) continue;
      if (!chosen.last_commit) chosen = with_commit(choice.history);
      if (rank(branch) <= rank(chosen)) continue;
      branch.reachable = false;
      choice.others.push_back(branch);
    }
  }

  const Vault& vault_;
  const LogTimelines& log_;
  const std::uint32_t timeline_;
  const Lsn stop_;
  std::vector<const TimelineHistory*> candidates_;
};

}  // namespace

BranchChoice choose_branch(const Vault& vault, const LogTimelines& log, std::uint32_t timeline,
                           Lsn stop) {
  return Chooser(vault, log, timeline, stop).choose();
}

std::string branches_text(const std::vector<LogBranch>& others) {
  std::string text;
  for (const LogBranch& branch : others) {
    text += fmt::format("; the log has another branch, timeline {} from {} on, ", branch.timeline,
                        format_lsn(branch.begin));
    text += branch.last_commit ? fmt::format("with its last commit at {} ({})",
                                             format_rfc3339(branch.last_commit->time, true),
                                             format_lsn(branch.last_commit->lsn))
                               : "without a commit";
    text += branch.reachable ? fmt::format(": --timeline {}", branch.timeline)
                             : ", which only an older or newer backup leads to: holdfast list";
  }
  return text;
}

}  // namespace holdfast
