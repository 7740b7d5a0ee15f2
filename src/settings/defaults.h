// Where things are when the configuration does not say. Inside the room.
#pragma once

#include <string>

namespace holdfast {

// $HOME or, when it is not an absolute path, what the user database says; empty when neither does.
std::string home_directory();

// The value of an XDG variable when it is an absolute path, as the XDG specification asks, else
// `fallback` below the home directory; empty without either.
std::string xdg_directory(const char* variable, const std::string& fallback);

std::string default_state_directory();
std::string default_cache_directory();

}  // namespace holdfast
