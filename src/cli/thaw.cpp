#include "cli/thaw.h"

#include <fmt/format.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/human.h"

namespace holdfast {
namespace {

// How often something is said when nothing changes.
constexpr Duration kSilence = std::chrono::minutes{10};

std::string packs_text(std::size_t packs, std::uint64_t bytes) {
  return fmt::format("{} ({})", plural(packs, "pack"), format_size(bytes));
}

// Hours of waiting are no matter for a line every five seconds.
class WaitDisplay {
 public:
  explicit WaitDisplay(Context& context) : context_(context) {
    const std::string& mode = context.options.progress;
    json_ = mode == "json";
    silent_ = mode == "none" || (mode == "auto" && context.options.quiet);
    bar_ = mode == "auto" && ::isatty(STDERR_FILENO) == 1;
  }
  ~WaitDisplay() {
    if (bar_ && !silent_) context_.output.bar({});
  }
  WaitDisplay(const WaitDisplay&) = delete;
  WaitDisplay& operator=(const WaitDisplay&) = delete;

  void show(const ThawStatus& status) {
    if (silent_) return;
    if (json_) return show_json(status);
    const std::string line =
        fmt::format("archive: {} of {} can be read, waited {}", format_count(status.ready_packs),
                    packs_text(status.packs, status.bytes), format_duration(status.waited));
    if (bar_) return context_.output.bar(line);
    const bool news = !said_ || status.ready_packs != last_ready_;
    if (!news && status.waited - last_said_ < kSilence) return;
    said_ = true;
    last_ready_ = status.ready_packs;
    last_said_ = status.waited;
    context_.output.message(line);
  }

 private:
  void show_json(const ThawStatus& status) {
    const Json line{{"progress", "archive"},
                    {"bytes", status.ready_bytes},
                    {"items", status.ready_packs},
                    {"total_bytes", status.bytes},
                    {"total_items", status.packs}};
    context_.output.message(json_text(line, -1));
  }

  Context& context_;
  bool json_ = false;
  bool silent_ = false;
  bool bar_ = false;
  bool said_ = false;
  std::size_t last_ready_ = 0;
  Duration last_said_{};
};

void say_what_was_asked(Context& context, const ThawPlan& plan, unsigned days) {
  if (context.options.quiet) return;
  std::string text;
  if (!plan.archived.empty()) {
    std::uint64_t bytes = 0;
    for (const NeededPack& pack : plan.archived) bytes += pack.size;
    text = fmt::format("asked for {} in the archive tier, to be readable for {}",
                       packs_text(plan.archived.size(), bytes), plural(days, "day"));
  }
  if (!plan.thawing.empty()) {
    if (!text.empty()) text += "; ";
    text += fmt::format("{} {} asked for before", plural(plan.thawing.size(), "pack"),
                        plan.thawing.size() == 1 ? "was" : "were");
  }
  context.output.message("archive: " + text);
}

}  // namespace

void add_thaw_options(Command& command, ThawOptions& options) {
  command
      .number("--thaw-days", options.days, 1, 365,
              "How long what comes from an archive tier stays readable (default: 7 days)")
      .flag("--no-wait", options.no_wait, "Ask for what is archived, and do not wait for it");
}

ThawPlan bring_from_archive(Context& context, ObjectStore& store, std::vector<NeededPack> needed,
                            const ThawOptions& options) {
  const ThawPlan plan = plan_thaw(store, std::move(needed), context.stop);
  if (plan.empty()) return plan;
  const unsigned days = options.days.value_or(kThawDays);
  try {
    request_packs(store, plan, days, context.stop);
    say_what_was_asked(context, plan, days);
    if (options.no_wait) {
      throw Error(
          Code::kUnavailable,
          packs_text(plan.packs(), plan.bytes()) + " cannot be read yet: they come from an archive",
          "that takes 3 to 5 hours as a rule, and up to 48: run the same command again then");
    }
    WaitDisplay display(context);
    wait_for_packs(
        store, context.clock, plan, days, [&](const ThawStatus& status) { display.show(status); },
        context.stop);
  } catch (Error& error) {
    if (error.code() == Code::kCancelled) {
      error.suggest("what was asked for comes all the same: run the same command again later");
    }
    throw;
  }
  return plan;
}

ThawPlan bring_from_archive(Context& context, const Vault& vault, const RestoreJob& job,
                            const ThawOptions& options) {
  if (!may_have_archived(vault.store())) return {};
  std::vector<NeededPack> needed = packs_of_restore(vault, job, context.stop);
  if (job.dry_run) return plan_thaw(vault.store(), std::move(needed), context.stop);
  return bring_from_archive(context, vault.store(), std::move(needed), options);
}

void prepare_reading(Context& context, ObjectStore& store, std::vector<NeededPack>& needed,
                     const ThawOptions& options, bool dry_run, ThawPlan& total) {
  const ThawPlan plan = dry_run ? plan_thaw(store, needed, context.stop)
                                : bring_from_archive(context, store, needed, options);
  std::set<std::string> away;
  for (const auto& [packs, all] :
       {std::pair(&plan.archived, &total.archived), std::pair(&plan.thawing, &total.thawing)}) {
    for (const NeededPack& pack : *packs) away.insert(pack.key);
    all->insert(all->end(), packs->begin(), packs->end());
  }
  if (!dry_run) return;
  std::erase_if(needed, [&](const NeededPack& pack) { return away.contains(pack.key); });
}

std::string thaw_plan_text(const ThawPlan& plan) {
  if (plan.empty()) return {};
  std::string text =
      fmt::format("would wait for {} in the archive tier", packs_text(plan.packs(), plan.bytes()));
  if (!plan.thawing.empty()) {
    text += fmt::format(", {} of them asked for already", format_count(plan.thawing.size()));
  }
  return text;
}

Json thaw_plan_json(const ThawPlan& plan) {
  return {{"packs", plan.packs()}, {"bytes", plan.bytes()}, {"requested", plan.thawing.size()}};
}

}  // namespace holdfast
