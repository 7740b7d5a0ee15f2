// Brings the log of a running server into the vault while it is being written, file by file.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "os/mutex.h"
#include "protect/log_follower.h"
#include "vault/log_name.h"
#include "vault/vault.h"

namespace holdfast {

struct LogUploadOptions {
  std::string source;
  std::string stream;
  Duration interval = std::chrono::milliseconds{200};  // between two pieces
  // The size of a file says that it is complete: then what comes behind does not wait until it is
  // whole, and one in few pieces stays in them, as to store it once more would cost a busy server
  // as much as the log itself. Else each is made whole before anything behind it is stored.
  bool complete_by_size = false;
  // Copies of the vault in other regions that get everything at the same time: a position is
  // durable when all have it.
  std::vector<const Vault*> others;
  // Get what the vault has, and are not waited for; may be null.
  LogFollowers* followers = nullptr;
  BeforeLogObject before_object = {};  // is called by several threads
};

struct LogUploadStats {
  std::uint64_t pieces = 0;
  std::uint64_t files = 0;   // whole ones
  std::uint64_t bytes = 0;   // of objects, in each store
  std::uint64_t errors = 0;  // tries that failed
  Duration last_upload{};    // how long the last object took
};

// Finds out, while the bytes of one file pass, what the headers of its objects say. Called by the
// uploading thread alone.
class LogFileFacts {
 public:
  LogFileFacts() = default;
  LogFileFacts(const LogFileFacts&) = delete;
  LogFileFacts& operator=(const LogFileFacts&) = delete;
  virtual ~LogFileFacts() = default;

  virtual void feed(ByteView bytes) = 0;
  // A JSON object about all that was fed. What feed() and json() throw ends nothing: the upload is
  // tried again.
  virtual std::string json() = 0;
  // What json() said last is in the vault.
  virtual void durable() {}
};

// A file of the log in the making.
struct LogUploadFile {
  std::string name;
  std::uint64_t position = 0;  // of its first byte, on the scale of durable()
  std::uint32_t stored = 0;    // how many of its first bytes are durable already, as pieces
  std::unique_ptr<LogFileFacts> facts;
};

// Takes the log in order; one thread adds, one of its own uploads. What is behind a piece that was
// stored is durable. A file that is complete replaces its pieces: at once, or with complete_by_size
// in a second thread and only where they are many. A failing store is tried again for ever, with
// growing pauses, and `on_error` hears of it: the server keeps what is not durable here.
class LogUploader {
 public:
  LogUploader(const Vault& vault, const LogUploadOptions& options,
              std::function<void(const Error&)> on_error, std::function<void()> on_progress);
  ~LogUploader();

  // Starts a file, from its first byte on; what was added before is uploaded first. A file before
  // that was not completed stays in pieces. Waits while too many files are waiting;
  // Error(kCancelled) when `stop` comes.
  void begin(LogUploadFile file, std::stop_token stop);
  // The next bytes of the file.
  void add(ByteView data);
  // The file is complete: it is stored whole, also when that is less than had been stored of it.
  void complete();
  // Behind the last byte that was added.
  std::uint64_t added() const;
  // Everything before is in the vault. Goes back when a file begins before it.
  std::uint64_t durable() const;
  // Waits until all that was added is durable, or `stop`.
  void drain(std::stop_token stop);
  LogUploadStats stats() const;

 private:
  struct File {
    LogUploadFile file;
    Bytes bytes;
    bool whole = false;
    bool last = false;         // no more will come, although it is not whole
    bool from_start = true;    // all of its pieces are of this run
    std::uint32_t pieces = 0;  // that were stored
    std::size_t known = 0;     // to its facts
  };

  void wake();
  void keep_trying(const std::stop_token& stop, const std::function<bool()>& await,
                   const std::function<void()>& step);
  void run(const std::stop_token& stop);
  bool all_stored() const REQUIRES(mutex_);
  bool has_work() const REQUIRES(mutex_);
  bool has_complete() const;
  bool await_work(const std::stop_token& stop);
  LogUpload upload_of(const File& file, bool whole, Bytes content, std::string facts) const;
  std::optional<LogUpload> next_upload();
  void hand_over(File& file, std::string facts) REQUIRES(mutex_);
  void upload_next();
  void run_replacing(const std::stop_token& stop);
  bool await_replacement(const std::stop_token& stop);
  void replace_next();
  void store(const LogUpload& upload) const;
  void uploaded(const LogUpload& upload, Duration took);

  const Vault& vault_;
  const LogUploadOptions options_;
  std::function<void(const Error&)> on_error_;
  std::function<void()> on_progress_;

  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<File> files_ GUARDED_BY(mutex_);
  std::deque<LogUpload> complete_ GUARDED_BY(mutex_);  // whole files, durable as pieces
  std::uint64_t added_ GUARDED_BY(mutex_) = 0;
  std::uint64_t durable_ GUARDED_BY(mutex_) = 0;
  LogUploadStats stats_ GUARDED_BY(mutex_);
  std::jthread uploading_;
  std::jthread replacing_;
};

}  // namespace holdfast
