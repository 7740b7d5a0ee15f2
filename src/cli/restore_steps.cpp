#include "cli/restore_steps.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/human.h"

namespace holdfast {

void run_steps(Context& context, const std::vector<RestoreStep>& steps, RunLog& log,
               std::vector<StepDone>& done) {
  for (const RestoreStep& step : steps) {
    context.check_stop();
    const Duration begin = context.clock.monotonic();
    StepDone one{step.name, "", {}};
    try {
      one.detail = step.run();
    } catch (Error& error) {
      throw error.add_context(step.name);
    }
    one.duration = context.clock.monotonic() - begin;
    const std::string line = fmt::format("  {:<14} {:>7}  {}", one.name,
                                         format_duration(one.duration), printable(one.detail));
    context.output.note(line + "\n");
    log.info(line);
    done.push_back(std::move(one));
  }
}

void print_steps(Output& output, const std::vector<RestoreStep>& steps) {
  for (std::size_t i = 0; i < steps.size(); ++i) {
    output.print(fmt::format("{:>3}. {:<14} {}\n", i + 1, steps[i].name, printable(steps[i].what)));
  }
}

Json steps_json(const std::vector<StepDone>& done) {
  Json rows = Json::array();
  for (const StepDone& one : done) {
    rows.push_back({{"name", one.name},
                    {"detail", one.detail},
                    {"duration_seconds", std::chrono::duration<double>(one.duration).count()}});
  }
  return rows;
}

Json plan_json(const std::vector<RestoreStep>& steps) {
  Json rows = Json::array();
  for (const RestoreStep& step : steps) {
    rows.push_back({{"name", step.name}, {"what", step.what}});
  }
  return rows;
}

}  // namespace holdfast
