#include "protect/tree_stream.h"

#include <algorithm>

#include "base/error.h"
#include "base/human.h"
#include "base/path.h"

namespace holdfast {

namespace {

constexpr std::size_t kChunksAtOnce = 16;  // whose ids are computed together
const FileStyle kPlainDirectory{0700};

}  // namespace

TreeCollector::TreeCollector(const WriteSession& session, ChunkWriter& writer, Timestamp now,
                             Meter meter, Expectation expectation)
    : session_(session),
      writer_(writer),
      now_(now),
      meter_(std::move(meter)),
      expectation_(std::move(expectation)) {}

ReadObject TreeCollector::object_of(const std::string& stored_path, EntryType type,
                                    const FileStyle& style) const {
  ReadObject object;
  object.entry.path = stored_path;
  object.entry.type = type;
  object.entry.mode = style.mode;
  object.entry.uid = style.owner.uid;
  object.entry.gid = style.owner.gid;
  object.entry.user = style.owner.user;
  object.entry.group = style.owner.group;
  object.entry.mtime_ns = style.modified.value_or(now_).time_since_epoch().count();
  return object;
}

void TreeCollector::open(const std::string& stored_path, const FileStyle& style) {
  if (stored_path.empty() || done_.contains(stored_path) || open_.contains(stored_path)) {
    throw Error(Code::kInvalid, "'" + printable(stored_path) + "' came twice");
  }
  Open file{object_of(stored_path, EntryType::kFile, style), style.fixed_chunk, {}};
  open_.emplace(stored_path, std::move(file));
}

TreeCollector::Open& TreeCollector::find(const std::string& stored_path) {
  const auto found = open_.find(stored_path);
  if (found == open_.end()) {
    throw Error(Code::kInternal, "'" + printable(stored_path) + "' is not open");
  }
  return found->second;
}

void TreeCollector::write(const std::string& stored_path, ByteView content) {
  Open& file = find(stored_path);
  meter_(content.size());
  file.object.entry.size += content.size();
  append(file.waiting, content);
  store(file, false);
}

// What is less than the longest chunk waits for more, unless there is no more.
void TreeCollector::store(Open& file, bool at_end) {
  const Chunker& chunker = session_.vault().chunker();
  const std::size_t maximum = file.fixed_chunk > 0 ? file.fixed_chunk : chunker.sizes().maximum;
  std::vector<ByteView> cut;
  ByteView left(file.waiting);
  const std::size_t enough = file.fixed_chunk > 0 ? kChunksAtOnce * maximum : maximum;
  if (!at_end && left.size() < enough) return;
  while (!left.empty() && (at_end || left.size() >= maximum)) {
    const std::size_t size = file.fixed_chunk > 0
                                 ? std::min<std::size_t>(file.fixed_chunk, left.size())
                                 : chunker.cut(left);
    cut.push_back(left.first(size));
    left = left.subspan(size);
  }
  if (cut.empty()) return;
  writer_.add(cut, file.object.chunks);
  const auto stored = static_cast<std::ptrdiff_t>(file.waiting.size() - left.size());
  file.waiting.erase(file.waiting.begin(), file.waiting.begin() + stored);
}

void TreeCollector::close(const std::string& stored_path) {
  Open& file = find(stored_path);
  store(file, true);
  add_directories(stored_path);
  done_.emplace(stored_path, std::move(file.object));
  open_.erase(stored_path);
}

void TreeCollector::add_directories(const std::string& stored_path) {
  for (std::string path(parent_path(stored_path)); !path.empty(); path = parent_path(path)) {
    if (!done_.try_emplace(path, object_of(path, EntryType::kDirectory, kPlainDirectory)).second) {
      return;
    }
  }
}

void TreeCollector::directory(const std::string& stored_path, const FileStyle& style) {
  add_directories(stored_path);
  ReadObject& object = done_[stored_path];
  if (!object.entry.path.empty() && object.entry.type != EntryType::kDirectory) {
    throw Error(Code::kInvalid, "'" + printable(stored_path) + "' is a file and a directory");
  }
  object = object_of(stored_path, EntryType::kDirectory, style);
}

std::vector<ReadObject> TreeCollector::take() {
  if (!open_.empty()) {
    throw Error(Code::kInvalid, "'" + printable(open_.begin()->first) + "' did not end");
  }
  std::vector<ReadObject> objects;
  objects.reserve(done_.size());
  for (auto& [path, object] : done_) objects.push_back(std::move(object));
  done_.clear();
  std::sort(objects.begin(), objects.end(), [](const ReadObject& a, const ReadObject& b) {
    return compare_paths(a.entry.path, b.entry.path) < 0;
  });
  return objects;
}

}  // namespace holdfast
