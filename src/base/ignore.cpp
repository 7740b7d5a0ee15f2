#include "base/ignore.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/human.h"
#include "base/path.h"

namespace holdfast {

namespace {

constexpr std::size_t kNone = std::string_view::npos;

// POSIX character classes, of ASCII only: a backup must not depend on the locale.
std::optional<bool> in_class(std::string_view name, unsigned char c) {
  const bool lower = c >= 'a' && c <= 'z';
  const bool upper = c >= 'A' && c <= 'Z';
  const bool digit = c >= '0' && c <= '9';
  const bool graph = c > ' ' && c < 0x7f;
  if (name == "lower") return lower;
  if (name == "upper") return upper;
  if (name == "digit") return digit;
  if (name == "alpha") return lower || upper;
  if (name == "alnum") return lower || upper || digit;
  if (name == "xdigit") return digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  if (name == "blank") return c == ' ' || c == '\t';
  if (name == "space") return c == ' ' || (c >= '\t' && c <= '\r');
  if (name == "cntrl") return c < ' ' || c == 0x7f;
  if (name == "graph") return graph;
  if (name == "print") return graph || c == ' ';
  if (name == "punct") return graph && !(lower || upper || digit);
  return std::nullopt;
}

struct Bracket {
  std::size_t end = 0;  // behind the ']'
  bool matches = false;
};

// One byte of a bracket expression, a backslash taken away; nothing at the end of the glob.
std::optional<unsigned char> bracket_byte(std::string_view glob, std::size_t& at) {
  if (at < glob.size() && glob[at] == '\\') ++at;
  if (at >= glob.size()) return std::nullopt;
  return static_cast<unsigned char>(glob[at++]);
}

// The bracket expression at `at`, tried on `c`. Nothing when it is not closed or names an unknown
// class.
std::optional<Bracket> parse_bracket(std::string_view glob, std::size_t at, unsigned char c) {
  ++at;
  const bool negated = at < glob.size() && (glob[at] == '!' || glob[at] == '^');
  if (negated) ++at;
  bool found = false;
  for (bool first = true; at < glob.size(); first = false) {
    if (glob[at] == ']' && !first) return Bracket{at + 1, found != negated};
    if (glob.substr(at).starts_with("[:")) {
      const std::size_t close = glob.find(":]", at + 2);
      if (close != kNone) {
        const auto member = in_class(glob.substr(at + 2, close - at - 2), c);
        if (!member) return std::nullopt;
        found = found || *member;
        at = close + 2;
        continue;
      }
    }
    const auto low = bracket_byte(glob, at);
    if (!low) return std::nullopt;
    auto high = low;
    if (at + 1 < glob.size() && glob[at] == '-' && glob[at + 1] != ']') {
      ++at;
      high = bracket_byte(glob, at);
      if (!high) return std::nullopt;
    }
    found = found || (*low <= c && c <= *high);
  }
  return std::nullopt;
}

// Whether the element at `at` (anything but '*') takes the byte `c`; moves `at` behind it if so.
bool element_matches(std::string_view glob, std::size_t& at, char c) {
  switch (glob[at]) {
    case '?':
      ++at;
      return true;
    case '[': {
      const auto bracket = parse_bracket(glob, at, static_cast<unsigned char>(c));
      if (!bracket || !bracket->matches) return false;
      at = bracket->end;
      return true;
    }
    case '\\':
      if (at + 1 >= glob.size() || glob[at + 1] != c) return false;
      at += 2;
      return true;
    default:
      if (glob[at] != c) return false;
      ++at;
      return true;
  }
}

// Matches within one path component. Only the last '*' is ever tried again, since an earlier one
// could not win anything by taking more: time is bounded by the product of the lengths.
bool component_matches(std::string_view glob, std::string_view name) {
  std::size_t g = 0;
  std::size_t n = 0;
  std::size_t star = kNone;
  std::size_t star_name = 0;
  while (n < name.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = ++g;
      star_name = n;
      if (star == glob.size()) return true;
    } else if (g < glob.size() && element_matches(glob, g, name[n])) {
      ++n;
    } else if (star != kNone) {
      g = star;
      n = ++star_name;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
}

// Where the component of `glob` that starts at `at` ends; a '/' in brackets does not end it.
std::size_t component_end(std::string_view glob, std::size_t at) {
  while (at < glob.size() && glob[at] != '/') {
    if (glob[at] == '\\') {
      at += 2;
    } else if (const auto bracket = glob[at] == '[' ? parse_bracket(glob, at, 0) : std::nullopt) {
      at = bracket->end;
    } else {
      ++at;
    }
  }
  return std::min(at, glob.size());
}

bool is_double_star(std::string_view component) {
  return component.size() >= 2 && component.find_first_not_of('*') == kNone;
}

[[noreturn]] void refuse(std::string_view pattern, std::string_view why, std::string_view hint) {
  throw Error(Code::kInvalid,
              "the exclude pattern '" + printable(pattern) + "' " + std::string(why),
              std::string(hint));
}

void check_glob(std::string_view glob, std::string_view pattern) {
  for (std::size_t at = 0; at < glob.size();) {
    if (glob[at] == '\\') {
      if (at + 1 == glob.size()) {
        refuse(pattern, "ends in a backslash", "write \\\\ for a backslash");
      }
      at += 2;
    } else if (glob[at] == '[') {
      const auto bracket = parse_bracket(glob, at, 0);
      if (!bracket) {
        refuse(pattern, "has a '[' that is not closed or an unknown character class",
               "write \\[ for a bracket");
      }
      at = bracket->end;
    } else {
      ++at;
    }
  }
  for (std::size_t at = 0; at <= glob.size();) {
    const std::size_t end = component_end(glob, at);
    const std::string_view component = glob.substr(at, end - at);
    if (component == "." || component == "..") {
      refuse(pattern, "has '.' or '..' in it and can never match",
             "write it relative to the source, for example /cache");
    }
    at = end + 1;
  }
}

// gitignore drops trailing spaces that no backslash protects.
std::string_view trim_trailing_spaces(std::string_view pattern) {
  while (pattern.ends_with(' ') && !pattern.ends_with("\\ ")) pattern.remove_suffix(1);
  return pattern;
}

// Escaped slashes are slashes, several are one.
std::string tidy_slashes(std::string_view pattern) {
  std::string tidy;
  for (std::size_t at = 0; at < pattern.size(); ++at) {
    if (pattern[at] == '\\' && at + 1 < pattern.size()) {
      if (pattern[at + 1] != '/')
        tidy += pattern[at++];
      else
        ++at;
    }
    if (pattern[at] == '/' && tidy.ends_with('/')) continue;
    tidy += pattern[at];
  }
  return tidy;
}

}  // namespace

bool glob_matches(std::string_view glob, std::string_view path) {
  // The same greedy walk as in component_matches, one level up: components for bytes, '**' for '*'.
  // An index behind the size means that the last component is used up.
  std::size_t g = 0;
  std::size_t p = 0;
  std::size_t star = kNone;
  std::size_t star_path = 0;
  const auto path_end = [path](std::size_t at) {
    return std::min(path.find('/', at), path.size());
  };
  for (;;) {
    if (g <= glob.size()) {
      const std::size_t glob_end = component_end(glob, g);
      const std::string_view component = glob.substr(g, glob_end - g);
      if (is_double_star(component)) {
        if (glob_end == glob.size()) return p <= path.size();
        g = star = glob_end + 1;
        star_path = p;
        continue;
      }
      if (p <= path.size()) {
        const std::size_t end = path_end(p);
        if (component_matches(component, path.substr(p, end - p))) {
          g = glob_end + 1;
          p = end + 1;
          continue;
        }
      }
    } else if (p > path.size()) {
      return true;
    }
    if (star == kNone || star_path > path.size()) return false;
    p = star_path = path_end(star_path) + 1;
    g = star;
  }
}

void IgnoreRules::add(std::string_view pattern) {
  std::string_view rest = trim_trailing_spaces(pattern);
  if (rest.empty() || rest.starts_with('#')) return;
  if (rest.find('\0') != kNone) refuse(pattern, "has a NUL byte", {});
  Rule rule;
  rule.negated = rest.starts_with('!');
  if (rule.negated) rest.remove_prefix(1);
  rule.glob = tidy_slashes(rest);
  if (rule.glob.ends_with('/')) {
    rule.directories_only = true;
    rule.glob.pop_back();
  }
  rule.anchored = rule.glob.find('/') != kNone;
  rule.absolute = rule.glob.starts_with('/');
  if (rule.absolute) rule.glob.erase(0, 1);
  if (rule.glob.empty()) {
    refuse(pattern, "names nothing", "to leave a whole source out, remove it from the sources");
  }
  check_glob(rule.glob, pattern);
  rules_.push_back(std::move(rule));
}

bool IgnoreRules::ignores(std::string_view path, std::string_view base, bool is_directory) const {
  if (path.size() <= base.size()) return false;
  const std::string_view relative = base.empty() ? path : path.substr(base.size() + 1);
  const std::string_view name = base_name(relative);
  const auto matches = [&](const Rule& rule) {
    if (rule.directories_only && !is_directory) return false;
    if (!rule.anchored) return component_matches(rule.glob, name);
    if (glob_matches(rule.glob, relative)) return true;
    return rule.absolute && !base.empty() && rule.glob.size() > base.size() &&
           rule.glob[base.size()] == '/' && rule.glob.starts_with(base) &&
           glob_matches(std::string_view(rule.glob).substr(base.size() + 1), relative);
  };
  const auto last = std::find_if(rules_.rbegin(), rules_.rend(), matches);
  return last != rules_.rend() && !last->negated;
}

}  // namespace holdfast
