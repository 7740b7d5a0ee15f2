// holdfast cat: one file of a backup to standard output.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "base/human.h"
#include "cli/archive_access.h"
#include "cli/browse.h"
#include "cli/commands.h"
#include "cli/context.h"
#include "cli/entry_text.h"
#include "cli/thaw.h"

namespace holdfast {
namespace {

struct CatOptions {
  std::string backup;
  std::string path;
  std::string identity;
  ThawOptions thaw;
};

struct FoundFile {
  Entry entry;
  std::vector<Ref> chunks;
};

FoundFile find_file(ChunkReader& reader, const StoredBackup& backup, const std::string& path) {
  std::optional<FoundFile> found;
  for_each_entry_within(reader, backup.root->tree, path,
                        [&](const Entry& entry, std::span<const Ref> chunks) {
                          if (entry.path == path) {
                            found = FoundFile{entry, {chunks.begin(), chunks.end()}};
                          }
                          return false;
                        });
  if (found) return std::move(*found);
  throw Error(Code::kNotFound,
              fmt::format("{} holds no /{}", backup.summary.name.id(), printable(path)),
              "look for it with: holdfast find NAME");
}

void refuse_others(const Entry& entry, const std::string& backup) {
  if (entry.type == EntryType::kFile) return;
  std::string hint;
  if (entry.type == EntryType::kDirectory) {
    hint =
        fmt::format("see what is in it: holdfast show {} {}", backup, "/" + printable(entry.path));
  } else if (entry.type == EntryType::kSymlink) {
    hint = "it points to " + printable(entry.link_target);
  }
  throw Error(Code::kInvalid,
              fmt::format("/{} is no file but a {}", printable(entry.path), type_name(entry.type)),
              hint);
}

// Writes a file's bytes in order; holes become zeros.
class Writer {
 public:
  explicit Writer(Context& context) : context_(context) {}

  void write(ChunkReader& reader, const FoundFile& file);

 private:
  void data(ByteView bytes);
  void zeros(std::uint64_t count);

  Context& context_;
  std::vector<Extent> extents_;
  std::size_t extent_ = 0;
  std::uint64_t in_extent_ = 0;
  std::uint64_t at_ = 0;
};

void Writer::zeros(std::uint64_t count) {
  const Bytes block(std::min<std::uint64_t>(count, 1u << 16));
  for (at_ += count; count > 0; count -= std::min<std::uint64_t>(count, block.size())) {
    context_.check_stop();
    context_.output.raw(ByteView(block).first(std::min<std::uint64_t>(count, block.size())));
  }
}

void Writer::data(ByteView bytes) {
  while (!bytes.empty()) {
    while (extent_ < extents_.size() && in_extent_ == extents_[extent_].length) {
      ++extent_;
      in_extent_ = 0;
    }
    if (extent_ == extents_.size())
      throw Error(Code::kCorrupt, "a file has more data than extents");
    const Extent& extent = extents_[extent_];
    if (at_ < extent.offset) zeros(extent.offset - at_);
    const std::size_t part = std::min<std::uint64_t>(bytes.size(), extent.length - in_extent_);
    context_.output.raw(bytes.first(part));
    bytes = bytes.subspan(part);
    in_extent_ += part;
    at_ += part;
  }
}

void Writer::write(ChunkReader& reader, const FoundFile& file) {
  extents_ = file.entry.extents;
  if (!file.entry.sparse) extents_ = {{0, file.entry.size}};
  for (const Ref& chunk : file.chunks) {
    context_.check_stop();
    data(reader.read(chunk));
  }
  if (at_ < file.entry.size) zeros(file.entry.size - at_);
}

// The plain bytes of an archive: its dump, or its tar stream. False when that is none.
bool print_archive(Context& context, ObjectStore& store, const CatOptions& options) {
  const auto archive = wanted_archive(store, options.backup);
  if (!archive) return false;
  if (!options.path.empty()) {
    throw Error(Code::kUsage, archive->name.file() + " is printed as a whole",
                is_tar(archive->name.format) ? "take a file out of it: holdfast cat " +
                                                   archive->name.file() + " | tar -xO PATH"
                                             : "leave PATH out");
  }
  bring_archive(context, store, *archive, options.thaw);
  read_archive(
      store, archive->name, identities_for(context, archive->name, options.identity),
      [&context](ByteView plain) { context.output.raw(plain); }, context.stop);
  return true;
}

int run(Context& context, const CatOptions& options) {
  if (context.output.json()) {
    throw Error(Code::kUsage, "cat prints the bytes of a file and cannot print JSON",
                "for what is known about the file: holdfast show BACKUP PATH --json");
  }
  auto store = open_any_store(context, Access::kRead);
  if (print_archive(context, *store, options)) return kExitSuccess;
  if (options.path.empty()) {
    throw Error(Code::kUsage, "which file of the backup is missing",
                "name it: holdfast cat " + options.backup + " PATH");
  }
  const OpenedVault opened = open_vault(context, std::move(store));
  const StoredBackup backup = open_backup(*opened.vault, options.backup);
  ChunkReader reader(*opened.vault);
  FoundFile file = find_file(reader, backup, path_in_backup(options.path));
  if (file.entry.type == EntryType::kHardlink) {
    file = find_file(reader, backup, file.entry.link_target);
  }
  refuse_others(file.entry, backup.summary.name.id());
  PackNeeds needs(reader.frames()->shared_index());
  for (const Ref& chunk : file.chunks) needs.add(chunk);
  bring_from_archive(context, *opened.store, needs.packs(), options.thaw);
  Writer(context).write(reader, file);
  return kExitSuccess;
}

}  // namespace

void add_cat_command(Command& root) {
  const auto o = std::make_shared<CatOptions>();
  Command command = root.subcommand("cat", "Print one file of a backup");
  command.argument("BACKUP", o->backup, true, "An id, the beginning of one, latest, latest:SOURCE")
      .argument("PATH", o->path, false, "The path of the file in the backup; not for archives")
      .text("--identity", o->identity, "File of age identities that open sealed archives");
  add_thaw_options(command, o->thaw);
  command
      .examples({"holdfast cat latest:host /etc/hosts",
                 "holdfast cat backup-20251110-120000-appdb.sql.gz | psql appdb",
                 "holdfast cat latest:web /srv/www/index.html | diff - /srv/www/index.html"})
      .run([o](Context& context) { return run(context, *o); });
}

}  // namespace holdfast
