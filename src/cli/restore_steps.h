// A restore as a list of steps that can be said before they are done: the order of the runbook.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/output.h"
#include "cli/run_log.h"

namespace holdfast {

struct RestoreStep {
  std::string name;                  // "validate", "stop", "safety backup", ...
  std::string what;                  // what it will do, for the plan
  std::function<std::string()> run;  // its answer is what it found; "" for nothing to say
};

struct StepDone {
  std::string name;
  std::string detail;
  Duration duration{};
};

// Runs one after the other and says each, as it ends, with its time. The first that throws ends it;
// what was done until then is in `done`, and the error says which step it was.
void run_steps(Context& context, const std::vector<RestoreStep>& steps, RunLog& log,
               std::vector<StepDone>& done);

// The plan, a numbered line each.
void print_steps(Output& output, const std::vector<RestoreStep>& steps);
Json steps_json(const std::vector<StepDone>& done);
Json plan_json(const std::vector<RestoreStep>& steps);

}  // namespace holdfast
