#include "settings/document.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include "base/error.h"
#include "base/human.h"

namespace holdfast {
namespace {

constexpr std::size_t kMaxBytes = 1 << 20;
constexpr std::size_t kMaxNodes = 50'000;
constexpr std::size_t kMaxDepth = 16;

constexpr const char* kQuoteHint =
    "a value that starts with * & ! % @ or ` must be in quotes, for example '*.log'";

int line_of(const YAML::Mark& mark) { return mark.line + 1; }

// Builds the tree from the parser's events.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const std::string& file) : file_(file) {}

  Node take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ == 0) return;
    fail_at(file_, line_of(mark), "a second YAML document begins here",
            "remove the '---' line, or correct the indentation");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    place({NodeKind::kNull, line_of(mark), {}, false, {}, {}});
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    fail_at(file_, line_of(mark), "YAML aliases are not supported", kQuoteHint);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    place({NodeKind::kScalar, line_of(mark), value, tag == "?", {}, {}});
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    begin(NodeKind::kSequence, mark, tag, anchor);
  }
  void OnSequenceEnd() override { end(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    begin(NodeKind::kMapping, mark, tag, anchor);
  }
  void OnMapEnd() override { end(); }

 private:
  // A sequence or mapping whose end has not come yet.
  struct Open {
    Node node;
    std::optional<std::pair<std::string, int>> key;  // seen, its value is next
    std::set<std::string> keys;
  };

  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) const {
    if (anchor != 0) {
      fail_at(file_, line_of(mark), "YAML anchors are not supported", kQuoteHint);
    }
  }

  void refuse_tag(const YAML::Mark& mark, const std::string& tag) const {
    if (!tag.empty() && tag != "?" && tag != "!") {
      fail_at(file_, line_of(mark), "YAML tags are not supported", kQuoteHint);
    }
  }

  void begin(NodeKind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    if (open_.size() == kMaxDepth) {
      fail_at(file_, line_of(mark), fmt::format("nested deeper than {} levels", kMaxDepth), {});
    }
    if (expects_key()) bad_key(line_of(mark));
    open_.push_back({{kind, line_of(mark), {}, false, {}, {}}, {}, {}});
  }

  void end() {
    Node node = std::move(open_.back().node);
    open_.pop_back();
    place(std::move(node));
  }

  void place(Node node) {
    if (++nodes_ > kMaxNodes) {
      fail_at(file_, node.line, fmt::format("more than {} values", format_count(kMaxNodes)), {});
    }
    if (open_.empty()) {
      root_ = std::move(node);
    } else if (open_.back().node.kind == NodeKind::kSequence) {
      open_.back().node.items.push_back(std::move(node));
    } else if (expects_key()) {
      place_key(node);
    } else {
      place_member(std::move(node));
    }
  }

  bool expects_key() const {
    return !open_.empty() && open_.back().node.kind == NodeKind::kMapping && !open_.back().key;
  }

  void place_key(const Node& node) {
    if (node.kind != NodeKind::kScalar) bad_key(node.line);
    if (!open_.back().keys.insert(node.text).second) {
      fail_at(file_, node.line, fmt::format("duplicate key '{}'", printable(node.text)),
              "each key may appear once; remove one of the two");
    }
    open_.back().key = {node.text, node.line};
  }

  void place_member(Node node) {
    Open& mapping = open_.back();
    // The parser places a missing value at the token after it, which may be lines below.
    if (node.kind == NodeKind::kNull) node.line = mapping.key->second;
    mapping.node.members.push_back(
        {std::move(mapping.key->first), mapping.key->second, std::move(node)});
    mapping.key.reset();
  }

  [[noreturn]] void bad_key(int line) const { fail_at(file_, line, "a key must be text", {}); }

  const std::string& file_;
  std::vector<Open> open_;
  Node root_;
  std::size_t nodes_ = 0;
  std::size_t documents_ = 0;
};

// The scanner takes 0x04 for the end of the text, so that everything behind it would be lost, and
// guesses at other encodings.
void refuse_what_is_not_text(std::string_view text, const std::string& file) {
  int line = 1;
  for (std::size_t at = 0; at < text.size(); ++line) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string content(text.substr(at, end - at));
    std::erase_if(content, [](char c) { return c == '\t' || c == '\r'; });
    if (printable(content) != content) {
      fail_at(file, line, "not UTF-8 text: " + printable(content),
              "is this the configuration file?");
    }
    at = end + 1;
  }
}

[[noreturn]] void fail_syntax(std::string_view text, const std::string& file,
                              const YAML::Exception& error) {
  namespace Message = YAML::ErrorMsg;
  std::string hint = "the structure of YAML is its indentation: spaces, the same for siblings";
  for (const char* about_quotes :
       {Message::ALIAS_NOT_FOUND, Message::UNKNOWN_ANCHOR, Message::CHAR_IN_ALIAS,
        Message::ANCHOR_NOT_FOUND, Message::CHAR_IN_ANCHOR, Message::UNKNOWN_TOKEN,
        Message::CHAR_IN_TAG_HANDLE, Message::TAG_WITH_NO_SUFFIX, Message::ALIAS_CONTENT}) {
    if (error.msg == about_quotes) hint = kQuoteHint;
  }
  if (error.msg == Message::EOF_IN_SCALAR) hint = "a quote is opened above and never closed";
  const std::string message = "not valid YAML: " + error.msg;
  if (error.mark.is_null()) throw Error(Code::kInvalid, file + ": " + message, hint);
  const auto last =
      static_cast<int>(std::count(text.begin(), text.end(), '\n')) + (text.ends_with('\n') ? 0 : 1);
  fail_at(file, std::min(line_of(error.mark), last), message, hint);
}

}  // namespace

Node parse_document(std::string_view text, const std::string& file) {
  if (text.size() > kMaxBytes) {
    throw Error(Code::kInvalid, fmt::format("{}: larger than {}", file, format_size(kMaxBytes)),
                "is this the configuration file?");
  }
  refuse_what_is_not_text(text, file);
  // Without the comment, the parser takes a quoted text that is never closed as ending at the last
  // line end, with the rest of the file in it.
  std::istringstream stream{std::string(text) + "\n#"};
  TreeBuilder builder(file);
  try {
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return {};
    parser.HandleNextDocument(builder);
    return builder.take();
  } catch (const YAML::Exception& error) {
    fail_syntax(text, file, error);
  }
}

std::string_view kind_name(NodeKind kind) {
  switch (kind) {
    case NodeKind::kNull:
      return "nothing";
    case NodeKind::kScalar:
      return "a single value";
    case NodeKind::kSequence:
      return "a list";
    case NodeKind::kMapping:
      return "keys and values";
  }
  return "nothing";
}

void fail_at(const std::string& file, int line, const std::string& message,
             const std::string& hint) {
  throw Error(Code::kInvalid, fmt::format("{}:{}: {}", file, line, message), hint);
}

}  // namespace holdfast
