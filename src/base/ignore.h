// Exclusion rules in gitignore syntax.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

// Patterns as gitignore(5) defines them: '#' comments, '!' re-includes, a trailing '/' matches
// directories only, a '/' elsewhere anchors to the base, '*', '?', '[...]', '**'. Later rules win.
// A pattern that starts with the base's own absolute path is anchored there as well, so that
// "/srv/www/cache" works in a source whose path is /srv/www. Thread-safe once built.
class IgnoreRules {
 public:
  // Throws Error(kInvalid) naming the pattern that cannot be understood.
  void add(std::string_view pattern);
  bool empty() const { return rules_.empty(); }

  // `path` is absolute without the leading '/', `base` the source root that it lies below (same
  // form). Tells only about the path itself; whoever walks does not descend into an ignored one.
  bool ignores(std::string_view path, std::string_view base, bool is_directory) const;

 private:
  struct Rule {
    std::string glob;
    bool negated = false;
    bool directories_only = false;
    bool anchored = false;
    bool absolute = false;  // was given with a leading '/'
  };
  std::vector<Rule> rules_;
};

// Glob match with '**' as gitignore has it; '*' and '?' do not match '/'.
bool glob_matches(std::string_view glob, std::string_view path);

}  // namespace holdfast
