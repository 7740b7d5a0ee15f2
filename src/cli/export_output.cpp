#include "cli/export_output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "base/error.h"
#include "base/human.h"
#include "cli/session.h"
#include "os/file.h"
#include "store/s3/s3_store.h"

namespace holdfast {
namespace {

constexpr std::string_view kFileScheme = "file://";
constexpr std::string_view kBucketScheme = "s3://";

Error exists(const std::string& what) {
  return {Code::kConflict, printable(what) + " exists already",
          "choose another --output, or replace it with --force"};
}

// Nothing but an ordinary file may be replaced.
void check_file(const std::string& path, bool force) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return;
    throw system_error(errno, "cannot look at " + printable(path));
  }
  if (!force) throw exists(path);
  if (!S_ISREG(status.st_mode)) {
    throw Error(Code::kInvalid, printable(path) + " is no ordinary file and cannot be replaced",
                "to write to a pipe or device: --output - > " + printable(path));
  }
}

// A file beside the one that is wanted, which takes its name at the end.
class FileOutput final : public ExportOutput {
 public:
  FileOutput(const std::string& directory, const std::string& name, bool force)
      : directory_(directory),
        path_(directory + "/" + name),
        temporary_(directory + "/." + name + ".holdfast-XXXXXX"),
        force_(force),
        fd_(::mkostemp(temporary_.data(), O_CLOEXEC)) {
    if (!fd_.valid()) throw system_error(errno, "cannot write to " + printable(directory));
  }
  ~FileOutput() override {
    if (!committed_) ::unlink(temporary_.c_str());
  }

  void write(ByteView data) override { write_full(fd_.get(), data, path_); }
  void commit() override {
    sync_file(fd_.get(), path_);
    move();
    committed_ = true;
    sync_directory(directory_);
  }

 private:
  void move() {
    if (!force_) {
      if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) ==
          0) {
        return;
      }
      if (errno == EEXIST) throw exists(path_);
      // Some file systems cannot do it in one step.
      if (errno != EINVAL && errno != ENOSYS) fail();
    }
    check_file(path_, force_);
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail();
  }
  [[noreturn]] void fail() { throw system_error(errno, "cannot name " + printable(path_)); }

  const std::string directory_;
  const std::string path_;
  std::string temporary_;
  const bool force_;
  Fd fd_;
  bool committed_ = false;
};

class StandardOutput final : public ExportOutput {
 public:
  // A reader that goes away is an error here: what it has is no whole archive.
  void write(ByteView data) override {
    try {
      write_full(STDOUT_FILENO, data, "the standard output");
    } catch (const Error&) {
      if (errno != EPIPE) throw;
      throw Error(Code::kUnavailable, "whoever read the standard output went away",
                  "see why the command behind the pipe ended");
    }
  }
  void commit() override {}
};

// With `over` it takes the place of what is there, in one step, only when all of it has arrived.
std::unique_ptr<StagedObject> stage_in(ObjectStore& store, bool over) {
  auto* const bucket = over ? dynamic_cast<S3Store*>(&store) : nullptr;
  return bucket != nullptr ? bucket->stage_over() : store.stage();
}

class ObjectOutput final : public ExportOutput {
 public:
  ObjectOutput(std::unique_ptr<ObjectStore> store, const ExportPlace& place, bool force)
      : store_(std::move(store)), place_(place), object_(stage_in(*store_, force)) {}

  void write(ByteView data) override { object_->append(data); }
  void commit() override {
    if (!object_->commit(place_.name)) throw exists(place_.text());
  }

 private:
  const std::unique_ptr<ObjectStore> store_;
  const ExportPlace place_;
  std::unique_ptr<StagedObject> object_;
};

ExportPlace parse_path(std::string path) {
  ExportPlace place;
  const bool directory = path.ends_with('/') || is_directory(path);
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  if (directory) {
    place.directory = path;
    return place;
  }
  const std::size_t slash = path.rfind('/');
  place.name = path.substr(slash == std::string::npos ? 0 : slash + 1);
  place.directory = slash == std::string::npos ? "." : path.substr(0, slash);
  if (place.directory.empty()) place.directory = "/";
  return place;
}

ExportPlace parse_bucket(const std::string& url) {
  ExportPlace place;
  place.kind = ExportPlace::Kind::kObject;
  const std::size_t slash = url.rfind('/');
  const bool bucket_alone = slash < kBucketScheme.size();
  place.directory = bucket_alone ? url : url.substr(0, slash);
  if (!bucket_alone) place.name = url.substr(slash + 1);
  return place;
}

}  // namespace

std::string ExportPlace::text() const {
  if (kind == Kind::kStandardOutput) return "-";
  if (kind == Kind::kFile && directory == ".") return name;
  return directory + (directory.ends_with('/') ? "" : "/") + name;
}

ExportPlace parse_export_place(const std::string& output) {
  if (output == "-") return {ExportPlace::Kind::kStandardOutput, {}, {}};
  if (output.starts_with(kBucketScheme)) return parse_bucket(output);
  if (!output.starts_with(kFileScheme)) return parse_path(output.empty() ? "." : output);
  const std::string path = output.substr(kFileScheme.size());
  if (path.starts_with('/')) return parse_path(path);
  throw Error(Code::kInvalid, "'" + output + "' does not name an absolute path",
              "write three slashes: file:///srv/exports");
}

std::unique_ptr<ExportOutput> open_export_output(Context& context, const ExportPlace& place,
                                                 bool force, bool dry_run) {
  switch (place.kind) {
    case ExportPlace::Kind::kFile:
      if (!is_directory(place.directory)) {
        throw Error(Code::kNotFound, printable(place.directory) + " is no directory",
                    "make it first, or choose another --output");
      }
      check_file(place.directory + "/" + place.name, force);
      if (dry_run) return nullptr;
      return std::make_unique<FileOutput>(place.directory, place.name, force);
    case ExportPlace::Kind::kStandardOutput:
      if (dry_run) return nullptr;
      if (::isatty(STDOUT_FILENO) == 1) {
        throw Error(Code::kUsage, "an archive is nothing for a terminal",
                    "send it into a file or pipe, or give --output FILE");
      }
      return std::make_unique<StandardOutput>();
    case ExportPlace::Kind::kObject: {
      auto store =
          open_store_for(context, place.directory, dry_run ? Access::kRead : Access::kWrite);
      if (!force && store->stat(place.name)) throw exists(place.text());
      if (dry_run) return nullptr;
      return std::make_unique<ObjectOutput>(std::move(store), place, force);
    }
  }
  throw Error(Code::kInternal, "unknown kind of output");
}

}  // namespace holdfast
