// Questions to a person.
#pragma once

#include <stop_token>
#include <string>

namespace holdfast {

// True when somebody can be asked: standard input and standard error are a terminal.
bool can_prompt();

// One line, typed without echo. Throws Error(kCancelled) at a stop or at the end of the input.
std::string prompt_secret(const std::string& question, std::stop_token stop);

// "QUESTION [y/N] "; only a yes is a yes.
bool prompt_yes(const std::string& question, std::stop_token stop);

}  // namespace holdfast
