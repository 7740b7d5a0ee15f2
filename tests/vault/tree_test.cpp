#include "vault/tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/path.h"
#include "store/expect_error.h"
#include "store/wrappers.h"
#include "vault/live_set.h"
#include "vault/test_vault.h"

namespace holdfast {
namespace {

struct Item {
  Entry entry;
  std::vector<Ref> chunks;
  bool operator==(const Item&) const = default;
};

Entry directory(std::string path) {
  Entry entry;
  entry.path = std::move(path);
  entry.type = EntryType::kDirectory;
  entry.mode = 0755;
  return entry;
}

// A file whose chunks are only named, not stored.
Item file(std::string path, std::size_t chunks, std::uint64_t seed) {
  Item item;
  item.entry.path = std::move(path);
  item.entry.mode = 0644;
  item.entry.mtime_ns = static_cast<std::int64_t>(seed);
  for (std::size_t i = 0; i < chunks; ++i) {
    item.chunks.push_back({test_id(seed * 1'000'000 + i), 100, ChunkKind::kData});
    item.entry.size += 100;
  }
  return item;
}

// `count` files in directories of 100, in the order of a walk.
std::vector<Item> many_files(std::size_t count) {
  std::vector<Item> items{{directory(""), {}}};
  for (std::size_t i = 0; i < count; ++i) {
    char name[32];
    std::snprintf(name, sizeof name, "d%05zu", i / 100);
    if (i % 100 == 0) items.push_back({directory(name), {}});
    const std::string path = std::string(name) + "/f" + std::to_string(i % 100 + 100);
    items.push_back(file(path, i % 3, i + 1));
  }
  return items;
}

VaultParameters large_parameters() {
  VaultParameters parameters = small_parameters();
  parameters.frame_bytes = 1u << 20;
  parameters.pack_bytes = 16u << 20;
  return parameters;
}

TreeRoots write_tree(const Vault& vault, const std::vector<Item>& items,
                     WriteStats* stats = nullptr) {
  WriteSession session(vault, {.level = 1, .threads = 2});
  TreeWriter tree(session);
  for (const Item& item : items) {
    Bytes encoded;
    encode_entry(item.entry, item.chunks.size(), encoded);
    tree.add(item.entry.path, encoded, item.chunks);
  }
  const TreeRoots roots = tree.finish();
  session.finish();
  if (stats != nullptr) *stats = session.stats();
  return roots;
}

std::vector<Item> read_tree(ChunkReader& reader, const Ref& root) {
  std::vector<Item> items;
  for_each_entry(reader, root, [&](const Entry& entry, std::span<const Ref> chunks) {
    items.push_back({entry, {chunks.begin(), chunks.end()}});
    return true;
  });
  return items;
}

using RefSet = std::set<std::pair<ChunkId, int>>;

void note(RefSet& set, const Ref& ref) { set.insert({ref.id, static_cast<int>(ref.kind)}); }

// Everything that somebody who restores must read, found page by page.
void needed(ChunkReader& reader, const Ref& page, RefSet& found, int& depth) {
  note(found, page);
  const Bytes bytes = reader.read(page);
  if (is_leaf(bytes)) {
    std::vector<Ref> lists;
    parse_leaf(bytes, lists);
    for (const Ref& list : lists) note(found, list);
    for (const Ref& chunk : read_leaf(reader, page).chunks) note(found, chunk);
    return;
  }
  int deepest = 0;
  for (const TreeChild& child : parse_inner(bytes)) {
    int below = 0;
    needed(reader, child.page, found, below);
    deepest = std::max(deepest, below);
  }
  depth = deepest + 1;
}

RefSet reachable(const Vault& vault, const Ref& reach) {
  ChunkReader reader(vault);
  RefSet found;
  for_each_reachable(
      reader, reach, [](const Ref&) { return false; }, [&](const Ref& ref) { note(found, ref); });
  return found;
}

// What the operator's walk finds is what a restore needs, and the pages of the reach list.
void expect_complete_reach(TestVault& made, const TreeRoots& roots) {
  ChunkReader reader(*made.vault);
  RefSet expected;
  int depth = 0;
  needed(reader, roots.tree, expected, depth);
  RefSet found = reachable(*made.as(Role::kOperator), roots.reach);
  for (const auto& ref : expected) ASSERT_TRUE(found.contains(ref)) << to_hex(ref.first.bytes);
  for (const auto& ref : expected) found.erase(ref);
  // Only pages of references are left, and few.
  for (const auto& ref : found) EXPECT_EQ(ref.second, static_cast<int>(ChunkKind::kRefs));
  EXPECT_LE(found.size(), 1 + expected.size() / 200);
  EXPECT_GE(found.size(), 1u);
}

TEST(Tree, EmptyTree) {
  TestVault made;
  const TreeRoots roots = write_tree(*made.vault, {});
  ChunkReader reader(*made.vault);
  EXPECT_TRUE(read_tree(reader, roots.tree).empty());
  expect_complete_reach(made, roots);
}

TEST(Tree, OneEntry) {
  TestVault made;
  for (const std::size_t chunks : {0u, 1u, 5u}) {
    const std::vector<Item> items{file("only", chunks, 1)};
    const TreeRoots roots = write_tree(*made.vault, items);
    ChunkReader reader(*made.vault);
    EXPECT_EQ(read_tree(reader, roots.tree), items);
    expect_complete_reach(made, roots);
  }
}

TEST(Tree, ManyEntriesInSeveralLevels) {
  TestVault made(large_parameters());
  std::vector<Item> items = many_files(60'000);
  // Long paths make inner pages large: a second level of them.
  for (Item& item : items) {
    if (!item.entry.path.empty()) item.entry.path = std::string(240, 'p') + "/" + item.entry.path;
  }
  const TreeRoots roots = write_tree(*made.vault, items);
  ChunkReader reader(*made.vault, 64);
  EXPECT_EQ(read_tree(reader, roots.tree), items);
  RefSet found;
  int depth = 0;
  needed(reader, roots.tree, found, depth);
  EXPECT_GE(depth, 2);
  expect_complete_reach(made, roots);
}

TEST(Tree, FilesOfMoreChunksThanAPageMayList) {
  TestVault made(large_parameters());
  for (const std::size_t chunks : {8191u, 8192u, 8193u, 32'767u, 32'768u, 32'769u, 100'000u}) {
    const std::vector<Item> items{{directory(""), {}},
                                  file("a", 3, 1),
                                  file("b", chunks, 2),
                                  file("c", 0, 3),
                                  file("d", 4, 4)};
    const TreeRoots roots = write_tree(*made.vault, items);
    ChunkReader reader(*made.vault, 64);
    ASSERT_EQ(read_tree(reader, roots.tree), items) << chunks;
    expect_complete_reach(made, roots);
    for_each_leaf(reader, roots.tree, {}, [&](const Ref& page) {
      const TreeLeaf leaf = read_leaf(reader, page);
      if (leaf.chunks.size() > 32'768) {
        EXPECT_EQ(leaf.entries.size(), 1u);
      }
    });
  }
}

TEST(Tree, LeavesHoldBoundedNumbersOfChunks) {
  TestVault made(large_parameters());
  std::vector<Item> items;
  for (std::size_t i = 0; i < 50; ++i) {
    items.push_back(file("f" + std::to_string(i + 10), 5000, i + 1));
  }
  const TreeRoots roots = write_tree(*made.vault, items);
  ChunkReader reader(*made.vault, 64);
  EXPECT_EQ(read_tree(reader, roots.tree), items);
  for_each_leaf(reader, roots.tree, {}, [&](const Ref& page) {
    EXPECT_LE(read_leaf(reader, page).chunks.size(), 32'768u);
  });
}

TEST(Tree, AChangeStaysInItsPages) {
  TestVault made(large_parameters());
  std::vector<Item> items = many_files(20'000);
  WriteStats stats;
  const TreeRoots before = write_tree(*made.vault, items, &stats);
  const std::uint64_t pages = stats.new_chunks;
  EXPECT_GT(pages, 50u);
  const TreeRoots same = write_tree(*made.vault, items, &stats);
  EXPECT_EQ(same.tree, before.tree);
  EXPECT_EQ(same.reach, before.reach);
  EXPECT_EQ(stats.new_chunks, 0u);
  for (const std::size_t at : {std::size_t{5}, std::size_t{10'001}, items.size() - 1}) {
    std::vector<Item> changed = items;
    ++changed[at].entry.mtime_ns;
    const TreeRoots after = write_tree(*made.vault, changed, &stats);
    EXPECT_NE(after.tree, before.tree);
    // The leaf, the page above and the reach page.
    EXPECT_LE(stats.new_chunks, 4u) << "one entry of " << items.size() << " changed";
    changed = items;
    changed.erase(changed.begin() + static_cast<std::ptrdiff_t>(at));
    write_tree(*made.vault, changed, &stats);
    EXPECT_LE(stats.new_chunks, 10u) << "one entry was removed";
    changed = items;
    Item extra = file(items[at].entry.path + "x", 1, 999'999);
    changed.insert(changed.begin() + static_cast<std::ptrdiff_t>(at) + 1, extra);
    write_tree(*made.vault, changed, &stats);
    EXPECT_LE(stats.new_chunks, 10u) << "one entry was added";
  }
}

TEST(Tree, WithinFindsExactlyWhatLiesBelow) {
  TestVault made(large_parameters());
  std::vector<Item> items = many_files(5000);
  for (const char* name : {"d00010.", "d00010-x", "d000100", "d00010", "\xff\xff", "a"}) {
    items.push_back(file(std::string("odd") + name, 1, 3));
  }
  std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) {
    return compare_paths(a.entry.path, b.entry.path) < 0;
  });
  const TreeRoots roots = write_tree(*made.vault, items);
  ChunkReader reader(*made.vault, 64);
  std::vector<std::string> wanted{
      "",  "d00010",  "d00049",      "d0001",         "nothing",   "zzz",
      "a", "d00010/", "d00025/f150", "d00025/f150/x", "oddd00010", "odd\xff\xff"};
  for (std::size_t i = 0; i < items.size(); i += 97) wanted.push_back(items[i].entry.path);
  for (const std::string& path : wanted) {
    std::vector<std::string> expected, found;
    for (const Item& item : items) {
      if (is_within(item.entry.path, path)) expected.push_back(item.entry.path);
    }
    for_each_entry_within(reader, roots.tree, path, [&](const Entry& entry, std::span<const Ref>) {
      found.push_back(entry.path);
      return true;
    });
    ASSERT_EQ(found, expected) << path;
  }
}

TEST(Tree, WithinReadsOnlyThePagesOnTheWay) {
  TestVault made;  // of small frames: every page is one of its own
  const TreeRoots roots = write_tree(*made.vault, many_files(20'000));
  StoreCounters counters;
  CountingStore counting(made.store, counters);
  const auto vault = Vault::open(counting, made.clock, made.ring, {});
  const auto reads_of = [&](std::string_view path, std::size_t expected) {
    ChunkReader reader(*vault);
    const std::uint64_t before = counters.reads;
    std::size_t seen = 0;
    for_each_entry_within(reader, roots.tree, path, [&](const Entry&, std::span<const Ref>) {
      ++seen;
      return true;
    });
    EXPECT_EQ(seen, expected);
    return counters.reads - before;
  };
  EXPECT_GT(reads_of("", 20'201), 40u);
  EXPECT_LE(reads_of("d00100", 101), 8u);
  EXPECT_LE(reads_of("d00100/f150", 1), 4u);
  EXPECT_LE(reads_of("nothing", 0), 4u);
}

TEST(Tree, VisitorsStop) {
  TestVault made(large_parameters());
  const std::vector<Item> items = many_files(3000);
  const TreeRoots roots = write_tree(*made.vault, items);
  ChunkReader reader(*made.vault);
  for (const std::size_t limit : {1u, 2u, 700u, 3000u}) {
    std::size_t seen = 0;
    const auto visit = [&](const Entry&, std::span<const Ref>) { return ++seen < limit; };
    for_each_entry(reader, roots.tree, visit);
    EXPECT_EQ(seen, limit);
    seen = 0;
    for_each_entry_within(reader, roots.tree, "", visit);
    EXPECT_EQ(seen, limit);
  }
}

TEST(Tree, KnownPagesAreNotEnteredAgain) {
  TestVault made(large_parameters());
  std::vector<Item> items = many_files(20'000);
  const TreeRoots first = write_tree(*made.vault, items);
  ++items[500].entry.mtime_ns;
  const TreeRoots second = write_tree(*made.vault, items);
  const auto op = made.as(Role::kOperator);
  ChunkReader reader(*op);
  std::set<ChunkId> known;
  std::size_t entered = 0;
  const auto walk = [&](const Ref& reach) {
    entered = 0;
    for_each_reachable(
        reader, reach,
        [&](const Ref& page) {
          if (!known.insert(page.id).second) return true;
          ++entered;
          return false;
        },
        [](const Ref&) {});
  };
  walk(first.reach);
  EXPECT_GT(entered, 30u);
  walk(second.reach);
  EXPECT_LE(entered, 4u);
}

// The way a prune marks.
TEST(Tree, LiveSetHoldsAllThatIsReachable) {
  TestVault made;
  std::vector<Item> items;
  const std::vector<Ref> stored = store_chunks(*made.vault, 100, 100, 1);
  for (std::size_t i = 0; i < 50; ++i) {
    Item item = file("f" + std::to_string(100 + i), 0, i);
    item.chunks = {stored[i], stored[0]};
    item.entry.size = 200;
    items.push_back(item);
  }
  const TreeRoots roots = write_tree(*made.vault, items);
  const auto op = made.as(Role::kOperator);
  ChunkReader reader(*op);
  LiveSet live(reader.frames()->shared_index());
  add_reachable(reader, roots.reach, live, {});
  EXPECT_TRUE(live.missing().empty());
  for (std::size_t i = 0; i < 100; ++i) EXPECT_EQ(live.is_live(stored[i].id), i < 50) << i;
  const RefSet all = reachable(*op, roots.reach);
  EXPECT_EQ(live.count(), all.size());
  for (const auto& ref : all) EXPECT_TRUE(live.is_live(ref.first));
}

TEST(Tree, AMissingPageIsCorrupt) {
  TestVault made;
  const TreeRoots roots = write_tree(*made.vault, {file("a", 1, 1)});
  for (const ObjectInfo& info : list_objects(made.store, "meta/")) made.store.remove(info.key);
  ChunkReader reader(*made.vault);
  expect_error(Code::kCorrupt, [&] { read_tree(reader, roots.tree); });
  LiveSet live(reader.frames()->shared_index());
  expect_error(Code::kCorrupt, [&] { add_reachable(reader, roots.reach, live, {}); });
}

// Pages are authentic, but a writer may have had defects.
TEST(TreePages, NonsenseIsCorrupt) {
  TestVault made;
  WriteSession session(*made.vault, {.threads = 1});
  ChunkWriter tree(session, ChunkKind::kTree), refs(session, ChunkKind::kRefs);
  const auto page = [&](const std::function<void(WireWriter&)>& write) {
    Bytes bytes;
    WireWriter out(bytes);
    write(out);
    return bytes;
  };
  const Ref data{test_id(1), 100, ChunkKind::kData};
  const Ref list = refs.add(page([&](WireWriter& out) {
    out.fixed(std::uint8_t{0});
    write_ref(out, data);
  }));
  Bytes entry;
  encode_entry(file("f", 1, 1).entry, 1, entry);
  const auto leaf = [&](const std::vector<Ref>& lists, int entries) {
    return page([&](WireWriter& out) {
      out.fixed(std::uint8_t{0});
      out.varint(lists.size());
      for (const Ref& ref : lists) write_ref(out, ref);
      for (int i = 0; i < entries; ++i) out.raw(entry);
    });
  };
  const Ref good = tree.add(leaf({list}, 1));
  std::vector<Ref> bad{tree.add(leaf({}, 1)),     tree.add(leaf({list}, 0)),
                       tree.add(leaf({list}, 2)), tree.add(leaf({list, list}, 1)),
                       tree.add(leaf({good}, 1)), tree.add(leaf({data}, 1)),
                       tree.add(Bytes{}),         tree.add(Bytes{0, 5})};
  // A page that leads to itself cannot exist; one that goes deeper than any writer's can.
  Ref deep = good;
  for (int level = 1; level < 12; ++level) {
    deep = tree.add(page([&](WireWriter& out) {
      out.fixed(static_cast<std::uint8_t>(level));
      out.string("f");
      write_ref(out, deep);
      out.varint(1);
    }));
  }
  bad.push_back(deep);
  bad.push_back(tree.add(page([&](WireWriter& out) {
    out.fixed(std::uint8_t{1});
    out.string("f");
    write_ref(out, list);
    out.varint(1);
  })));
  tree.flush();
  refs.flush();
  session.finish();
  ChunkReader reader(*made.vault);
  EXPECT_EQ(read_tree(reader, good).size(), 1u);
  for (const Ref& ref : bad) expect_error(Code::kCorrupt, [&] { read_tree(reader, ref); });
}

TEST(TreePages, RefPagesAreParsedStrictly) {
  Bytes bytes{0};
  WireWriter out(bytes);
  write_ref(out, {test_id(1), 5, ChunkKind::kData});
  std::uint8_t level = 9;
  EXPECT_EQ(parse_ref_page(bytes, level).size(), 1u);
  EXPECT_EQ(level, 0);
  for (std::size_t size = 2; size < bytes.size(); ++size) {
    expect_error(Code::kCorrupt, [&] { parse_ref_page(ByteView(bytes).first(size), level); });
  }
  expect_error(Code::kCorrupt, [&] { parse_ref_page({}, level); });
  bytes[0] = 1;  // data where pages belong
  expect_error(Code::kCorrupt, [&] { parse_ref_page(bytes, level); });
  bytes[0] = 0;
  bytes.back() = 0xc0;  // an unknown kind
  expect_error(Code::kCorrupt, [&] { parse_ref_page(bytes, level); });
  bytes.back() = 0x3f;  // longer than any chunk
  expect_error(Code::kCorrupt, [&] { parse_ref_page(bytes, level); });
}

// A chunk has at most 4 MiB: a file of a million holes has more to say than that about itself.
TEST(Tree, AnEntryTooLargeForAPageIsRefused) {
  TestVault made(large_parameters());
  Item item = file("sparse", 0, 1);
  item.entry.sparse = true;
  item.entry.size = std::uint64_t{1} << 40;
  for (std::uint64_t i = 0; i < 1'000'000; ++i) item.entry.extents.push_back({i << 20, 1});
  const auto error = error_of([&] { write_tree(*made.vault, {item}); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), Code::kUnsupported);
  EXPECT_NE(error->message().find("/sparse"), std::string::npos);
  EXPECT_FALSE(error->hint().empty());
  item.entry.extents.resize(300'000);
  const TreeRoots roots = write_tree(*made.vault, {item});
  std::size_t extents = 0;
  ChunkReader reader(*made.vault);
  // Its content is not there; the entry is.
  std::vector<Ref> lists;
  for_each_leaf(reader, roots.tree, {}, [&](const Ref& page) {
    extents = parse_leaf(reader.read(page), lists).at(0).entry.extents.size();
  });
  EXPECT_EQ(extents, 300'000u);
}

}  // namespace
}  // namespace holdfast
