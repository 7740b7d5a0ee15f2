#include "vault/tree.h"

#include <utility>

#include "base/error.h"
#include "base/human.h"
#include "base/path.h"

namespace holdfast {
namespace {

constexpr std::size_t kMinPage = 16u << 10;
constexpr std::size_t kMaxPage = 256u << 10;
constexpr std::uint64_t kMaxPageChunks = 32'768;
constexpr std::size_t kMinRefs = 256;
constexpr std::size_t kMaxRefs = 8192;
constexpr int kMaxLevels = 8;
// A page is a chunk, and its list of references needs room beside the entry.
constexpr std::size_t kMaxEntry = 3u << 20;

[[noreturn]] void damaged_page(const char* what) {
  throw Error(Code::kCorrupt, std::string("a tree page is damaged_page: ") + what);
}

bool ends_ref_page(const std::vector<Ref>& refs) {
  if (refs.size() >= kMaxRefs) return true;
  const auto& id = refs.back().id.bytes;
  return refs.size() >= kMinRefs && id[0] == 0 && (id[1] & 0xc0) == 0;
}

Ref write_ref_page(ChunkWriter& writer, std::size_t level, std::vector<Ref>& refs) {
  Bytes bytes;
  bytes.reserve(1 + refs.size() * kRefSize);
  WireWriter out(bytes);
  out.fixed(static_cast<std::uint8_t>(level));
  for (const Ref& ref : refs) write_ref(out, ref);
  refs.clear();
  return writer.add(bytes);
}

}  // namespace

void ChunkList::add(const Ref& chunk) {
  chunks_.push_back(chunk);
  if (ends_ref_page(chunks_)) end_page();
}

void ChunkList::end_page() {
  if (!chunks_.empty()) pages_.push_back(write_ref_page(writer_, 0, chunks_));
}

std::vector<Ref> ChunkList::finish() {
  end_page();
  return std::exchange(pages_, {});
}

void ReachList::add(std::size_t level, const Ref& ref) {
  if (level == levels_.size()) levels_.emplace_back();
  levels_[level].push_back(ref);
  if (ends_ref_page(levels_[level])) {
    const Ref page = end_page(level);
    add(level + 1, page);
  }
}

Ref ReachList::end_page(std::size_t level) {
  return write_ref_page(writer_, level + 1, levels_[level]);
}

Ref ReachList::finish() {
  for (std::size_t level = 0;; ++level) {
    const bool top = level + 1 == levels_.size();
    if (top && level > 0 && levels_[level].size() == 1) return levels_[level][0];
    if (top) return end_page(level);
    if (!levels_[level].empty()) {
      const Ref page = end_page(level);
      add(level + 1, page);
    }
  }
}

TreeWriter::TreeWriter(WriteSession& session)
    : session_(session),
      tree_(session, ChunkKind::kTree),
      refs_(session, ChunkKind::kRefs),
      reach_(refs_),
      leaf_list_(refs_) {}

bool TreeWriter::ends_page(std::string_view path, std::size_t size) const {
  if (size >= kMaxPage) return true;
  return size >= kMinPage && (session_.vault().page_hash(path) & 0xff) == 0;
}

void TreeWriter::add(std::string_view path, ByteView encoded, const std::vector<Ref>& refs) {
  if (encoded.size() > kMaxEntry) {
    throw Error(Code::kUnsupported,
                "/" + printable(path) + " has more holes or attributes than a backup can hold",
                "exclude it from the backup, or copy it into a file without holes");
  }
  if (leaf_entries_ > 0 && leaf_chunks_ + refs.size() > kMaxPageChunks) end_leaf();
  if (leaf_entries_ == 0) leaf_first_ = path;
  append(leaf_, encoded);
  for (const Ref& ref : refs) leaf_list_.add(ref);
  leaf_chunks_ += refs.size();
  ++leaf_entries_;
  if (ends_page(path, leaf_.size())) end_leaf();
}

void TreeWriter::end_leaf() {
  const std::vector<Ref> lists = leaf_list_.finish();
  Bytes page;
  WireWriter out(page);
  out.fixed(std::uint8_t{0});
  out.varint(lists.size());
  for (const Ref& ref : lists) write_ref(out, ref);
  out.raw(leaf_);
  for (const Ref& ref : lists) reach_.add(ref);
  const Ref ref = write_page(page);
  add_child(0, leaf_first_, ref, leaf_entries_);
  leaf_.clear();
  leaf_entries_ = 0;
  leaf_chunks_ = 0;
}

Ref TreeWriter::write_page(ByteView page) {
  const Ref ref = tree_.add(page);
  reach_.add(ref);
  return ref;
}

void TreeWriter::add_child(std::size_t level, const std::string& first_path, const Ref& page,
                           std::uint64_t entries) {
  if (level == inner_.size()) inner_.emplace_back();
  Inner& inner = inner_[level];
  if (inner.count == 0) inner.first_path = first_path;
  WireWriter out(inner.children);
  out.string(first_path);
  write_ref(out, page);
  out.varint(entries);
  inner.entries += entries;
  ++inner.count;
  if (inner.count > 1 && ends_page(first_path, inner.children.size())) end_inner(level);
}

Ref TreeWriter::end_inner(std::size_t level) {
  const Inner inner = std::move(inner_[level]);
  inner_[level] = Inner();
  Bytes page{static_cast<std::uint8_t>(level + 1)};
  append(page, inner.children);
  const Ref ref = write_page(page);
  add_child(level + 1, inner.first_path, ref, inner.entries);
  return ref;
}

TreeRoots TreeWriter::finish() {
  if (leaf_entries_ > 0 || inner_.empty()) end_leaf();
  TreeRoots roots;
  for (std::size_t level = 0;; ++level) {
    // A lone child of the top level is the root itself.
    if (level + 1 == inner_.size() && inner_[level].count == 1) {
      WireReader in(inner_[level].children);
      in.string();
      roots.tree = read_ref(in);
      break;
    }
    if (inner_[level].count > 0) end_inner(level);
  }
  roots.reach = reach_.finish();
  tree_.flush();
  refs_.flush();
  return roots;
}

bool is_leaf(ByteView page) {
  WireReader in(page);
  return in.fixed<std::uint8_t>() == 0;
}

std::vector<TreeChild> parse_inner(ByteView page) {
  WireReader in(page);
  if (in.fixed<std::uint8_t>() == 0) return {};
  std::vector<TreeChild> children;
  while (!in.done()) {
    TreeChild child;
    child.first_path = in.string();
    child.page = read_ref(in);
    child.entries = in.varint();
    if (child.page.kind != ChunkKind::kTree) damaged_page("a child is not a page");
    children.push_back(std::move(child));
  }
  return children;
}

std::vector<Ref> parse_ref_page(ByteView page, std::uint8_t& level) {
  WireReader in(page);
  level = in.fixed<std::uint8_t>();
  if (in.left() % kRefSize != 0) damaged_page("a list of references has a wrong length");
  std::vector<Ref> refs;
  refs.reserve(in.left() / kRefSize);
  while (!in.done()) {
    refs.push_back(read_ref(in));
    if ((refs.back().kind == ChunkKind::kData) != (level == 0)) {
      damaged_page("a reference has a wrong kind");
    }
  }
  return refs;
}

std::vector<DecodedEntry> parse_leaf(ByteView page, std::vector<Ref>& ref_pages) {
  WireReader in(page);
  if (in.fixed<std::uint8_t>() != 0) damaged_page("a leaf was expected");
  for (std::uint64_t left = in.varint(); left > 0; --left) {
    ref_pages.push_back(read_ref(in));
    if (ref_pages.back().kind != ChunkKind::kRefs) damaged_page("a reference has a wrong kind");
  }
  std::vector<DecodedEntry> entries;
  while (!in.done()) entries.push_back(decode_entry(in));
  return entries;
}

namespace {

std::uint64_t content_size(const Entry& entry) {
  if (!entry.sparse) return entry.size;
  std::uint64_t size = 0;
  for (const Extent& extent : entry.extents) size += extent.length;
  return size;
}

void check_content(const TreeLeaf& leaf) {
  std::size_t at = 0;
  for (const DecodedEntry& decoded : leaf.entries) {
    if (decoded.chunks > leaf.chunks.size() - at) damaged_page("a file's chunks are missing");
    std::uint64_t size = 0;
    for (std::uint64_t i = 0; i < decoded.chunks; ++i) size += leaf.chunks[at + i].length;
    if (size != content_size(decoded.entry)) damaged_page("a file's chunks do not fill it");
    at += static_cast<std::size_t>(decoded.chunks);
  }
  if (at != leaf.chunks.size()) damaged_page("there are more chunks than files need");
}

// True when nothing at or below `path` can lie in [first, next).
bool is_outside(std::string_view path, std::string_view first, std::string_view next) {
  if (!next.empty() && compare_paths(next, path) <= 0) return true;
  return compare_paths(first, path) > 0 && !is_within(first, path);
}

}  // namespace

TreeLeaf read_leaf(ChunkReader& reader, const Ref& page) {
  TreeLeaf leaf;
  std::vector<Ref> ref_pages;
  leaf.entries = parse_leaf(reader.read(page), ref_pages);
  for (const Ref& ref_page : ref_pages) {
    std::uint8_t level = 0;
    const std::vector<Ref> refs = parse_ref_page(reader.read(ref_page), level);
    if (level != 0) damaged_page("a list of chunks was expected");
    leaf.chunks.insert(leaf.chunks.end(), refs.begin(), refs.end());
  }
  check_content(leaf);
  return leaf;
}

namespace {

using Skip = std::function<bool(std::string_view, std::string_view)>;

void walk_pages(ChunkReader& reader, const Ref& page, const std::string& next, int depth,
                const Skip& skip, const std::function<void(const Ref&)>& visit) {
  if (depth > kMaxLevels) damaged_page("it is too deep");
  const Bytes bytes = reader.read(page);
  if (is_leaf(bytes)) return visit(page);
  const std::vector<TreeChild> children = parse_inner(bytes);
  for (std::size_t i = 0; i < children.size(); ++i) {
    const std::string& end = i + 1 < children.size() ? children[i + 1].first_path : next;
    if (skip && skip(children[i].first_path, end)) continue;
    walk_pages(reader, children[i].page, end, depth + 1, skip, visit);
  }
}

// Gives the entries of one leaf to `visit`; false when it wants no more.
bool visit_leaf(ChunkReader& reader, const Ref& page, const EntryVisitor& visit) {
  const TreeLeaf leaf = read_leaf(reader, page);
  std::size_t at = 0;
  for (const DecodedEntry& decoded : leaf.entries) {
    const std::span<const Ref> chunks(leaf.chunks.data() + at,
                                      static_cast<std::size_t>(decoded.chunks));
    if (!visit(decoded.entry, chunks)) return false;
    at += chunks.size();
  }
  return true;
}

}  // namespace

void for_each_leaf(ChunkReader& reader, const Ref& root, const Skip& skip,
                   const std::function<void(const Ref& page)>& visit) {
  walk_pages(reader, root, "", 0, skip, visit);
}

void for_each_entry(ChunkReader& reader, const Ref& root, const EntryVisitor& visit) {
  bool more = true;
  for_each_leaf(
      reader, root, [&](std::string_view, std::string_view) { return !more; },
      [&](const Ref& page) { more = more && visit_leaf(reader, page, visit); });
}

void for_each_entry_within(ChunkReader& reader, const Ref& root, std::string_view path,
                           const EntryVisitor& visit) {
  bool more = true;
  for_each_leaf(
      reader, root,
      [&](std::string_view first, std::string_view next) {
        return !more || is_outside(path, first, next);
      },
      [&](const Ref& page) {
        more = more && visit_leaf(reader, page, [&](const Entry& entry, std::span<const Ref> refs) {
                 return !is_within(entry.path, path) || visit(entry, refs);
               });
      });
}

namespace {

void walk_reach(ChunkReader& reader, const Ref& page, int depth,
                const std::function<bool(const Ref&)>& known,
                const std::function<void(const Ref&)>& visit) {
  if (depth > kMaxLevels) damaged_page("it is too deep");
  visit(page);
  if (known(page)) return;
  std::uint8_t level = 0;
  for (const Ref& ref : parse_ref_page(reader.read(page), level)) {
    if (ref.kind == ChunkKind::kRefs) {
      walk_reach(reader, ref, depth + 1, known, visit);
    } else {
      visit(ref);
    }
  }
}

}  // namespace

void for_each_reachable(ChunkReader& reader, const Ref& reach,
                        const std::function<bool(const Ref& page)>& known,
                        const std::function<void(const Ref& ref)>& visit) {
  walk_reach(reader, reach, 0, known, visit);
}

}  // namespace holdfast
