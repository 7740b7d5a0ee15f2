// The entries of one backup as pages in the vault: docs/FORMAT.md, "Trees".
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "vault/chunk_reader.h"
#include "vault/entry_codec.h"
#include "vault/write_session.h"

namespace holdfast {

// Cuts the list of data chunks of one tree page into reference pages.
class ChunkList {
 public:
  explicit ChunkList(ChunkWriter& writer) : writer_(writer) {}
  void add(const Ref& chunk);
  // The pages of all that was added since the last call.
  std::vector<Ref> finish();

 private:
  void end_page();

  ChunkWriter& writer_;
  std::vector<Ref> chunks_;
  std::vector<Ref> pages_;
};

// The reach list: references to pages, cut into pages level upon level until one holds all.
class ReachList {
 public:
  explicit ReachList(ChunkWriter& writer) : writer_(writer), levels_(1) {}
  void add(const Ref& page) { add(0, page); }
  // The one page above all; an empty list has an empty page.
  Ref finish();

 private:
  void add(std::size_t level, const Ref& ref);
  Ref end_page(std::size_t level);

  ChunkWriter& writer_;
  std::vector<std::vector<Ref>> levels_;
};

struct TreeRoots {
  Ref tree;
  Ref reach;
};

// Takes the entries of a backup in the order of compare_paths. One thread.
class TreeWriter {
 public:
  explicit TreeWriter(WriteSession& session);
  // `encoded` is what encode_entry made for `path` with refs.size() chunks.
  void add(std::string_view path, ByteView encoded, const std::vector<Ref>& refs);
  // Writes what is left. The session must be finished afterwards, before the backup object.
  TreeRoots finish();

 private:
  struct Inner {
    Bytes children;
    std::string first_path;
    std::uint64_t entries = 0;
    std::size_t count = 0;
  };
  bool ends_page(std::string_view path, std::size_t size) const;
  void end_leaf();
  void add_child(std::size_t level, const std::string& first_path, const Ref& page,
                 std::uint64_t entries);
  Ref end_inner(std::size_t level);
  Ref write_page(ByteView page);

  WriteSession& session_;
  ChunkWriter tree_;
  ChunkWriter refs_;
  ReachList reach_;
  ChunkList leaf_list_;
  Bytes leaf_;
  std::string leaf_first_;
  std::uint64_t leaf_entries_ = 0;
  std::uint64_t leaf_chunks_ = 0;
  std::vector<Inner> inner_;
};

// One leaf page, opened.
struct TreeLeaf {
  std::vector<DecodedEntry> entries;
  std::vector<Ref> chunks;  // of all files, in order
};

// Throws Error(kCorrupt) on what no TreeWriter makes.
TreeLeaf read_leaf(ChunkReader& reader, const Ref& page);

struct TreeChild {
  std::string first_path;
  Ref page;
  std::uint64_t entries = 0;
};
// The children of an inner page; nothing when `page` is a leaf.
std::vector<TreeChild> parse_inner(ByteView page);
bool is_leaf(ByteView page);
// The references of a leaf page's header and the entries behind it. For fuzzers too.
std::vector<DecodedEntry> parse_leaf(ByteView page, std::vector<Ref>& ref_pages);
// The references in a reference page. Throws Error(kCorrupt).
std::vector<Ref> parse_ref_page(ByteView page, std::uint8_t& level);

// Calls `visit` with every leaf page in order. Pages that `skip` answers true for (given the range
// of paths [first, next); next empty: to the end) are not read.
void for_each_leaf(ChunkReader& reader, const Ref& root,
                   const std::function<bool(std::string_view first, std::string_view next)>& skip,
                   const std::function<void(const Ref& page)>& visit);

// Every entry with its chunks, in order; `visit` returns false to stop.
using EntryVisitor = std::function<bool(const Entry& entry, std::span<const Ref> chunks)>;
void for_each_entry(ChunkReader& reader, const Ref& root, const EntryVisitor& visit);
// Only what is `path` or lies below it.
void for_each_entry_within(ChunkReader& reader, const Ref& root, std::string_view path,
                           const EntryVisitor& visit);

// Calls `visit` with every reference that the backup needs: all pages and all data chunks. Needs
// the shared key only. Pages that `known` answers true for (seen before) are not entered again.
void for_each_reachable(ChunkReader& reader, const Ref& reach,
                        const std::function<bool(const Ref& page)>& known,
                        const std::function<void(const Ref& ref)>& visit);

}  // namespace holdfast
