#include "cli/wal_spool.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <exception>
#include <filesystem>
#include <system_error>
#include <thread>
#include <vector>

#include "base/error.h"
#include "os/file.h"
#include "os/processors.h"
#include "vault/backup_object.h"

namespace holdfast {
namespace {

constexpr std::uint64_t kMemory = 512u << 20;
constexpr unsigned kMaxThreads = 16;
// The file, its frames and the object.
constexpr std::uint64_t kCopiesInMemory = 3;

}  // namespace

std::string wal_source(Context& context, const std::string& given) {
  std::string source = given;
  if (source.empty()) {
    std::vector<std::string> names;
    for (const SourceSettings& one : context.settings().sources) {
      if (one.backup_class == "database") names.push_back(one.name);
    }
    if (names.size() != 1) {
      throw Error(Code::kUsage,
                  names.empty() ? "the configuration has no source of class database"
                                : fmt::format("the configuration has {} sources of class database",
                                              names.size()),
                  "say whose log it is: --source NAME");
    }
    source = names.front();
  }
  check_source_name(source);
  return source;
}

std::string wal_spool(Context& context, const std::string& source, const std::string& name) {
  const std::string directory = context.settings().state_directory + "/wal/" + source + "/" + name;
  try {
    make_directories(directory, 0700);
    return directory;
  } catch (const Error& error) {
    context.output.warning(error.message() +
                           ": every file of the log is handled on its own, which is slower; set "
                           "state_dir to a place that this user can write");
    return {};
  }
}

std::string file_stamp(const std::string& path) {
  struct stat s {};
  if (::stat(path.c_str(), &s) != 0) throw system_error(errno, "cannot read " + path);
  return fmt::format("{:x} {:x} {} {}.{:09} {}.{:09}\n", s.st_dev, s.st_ino, s.st_size,
                     s.st_mtim.tv_sec, s.st_mtim.tv_nsec, s.st_ctim.tv_sec, s.st_ctim.tv_nsec);
}

std::string text_if_there(const std::string& path) {
  if (!path_exists(path)) return {};
  try {
    const Bytes data = read_file(path);
    return std::string(as_text(data));
  } catch (const Error&) {
    return {};
  }
}

std::set<std::string> names_in(const std::string& directory) {
  std::set<std::string> names;
  std::error_code ignored;
  std::filesystem::directory_iterator at(directory, ignored);
  for (; at != std::filesystem::directory_iterator{}; at.increment(ignored)) {
    names.insert(at->path().filename().string());
  }
  return names;
}

unsigned wal_threads(const ObjectStore& store, std::uint64_t size) {
  const StoreTraits traits = store.traits();
  // One more than processors: one of them waits for the disk.
  const unsigned wanted = std::max(processors() + 1, traits.remote ? traits.parallelism : 1u);
  const std::uint64_t fit = kMemory / (kCopiesInMemory * std::max<std::uint64_t>(size, 1));
  return static_cast<unsigned>(std::clamp<std::uint64_t>(fit, 1, std::min(wanted, kMaxThreads)));
}

void first_and_others(std::size_t count, unsigned threads,
                      const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  std::exception_ptr first;
  const auto loop = [&] {
    for (std::size_t i = next++; i < count && (i == 0 || !failed); i = next++) {
      try {
        work(i);
      } catch (...) {
        failed = true;
        if (i == 0) first = std::current_exception();
      }
    }
  };
  {
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < std::min<std::size_t>(threads, count); ++i) {
      others.emplace_back(loop);
    }
    loop();
  }
  if (first) std::rethrow_exception(first);
}

}  // namespace holdfast
