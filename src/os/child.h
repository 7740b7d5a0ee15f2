// The parts that running a child process is made of; for process.cpp and process_stream.cpp.
#pragma once

#include <signal.h>
#include <spawn.h>
#include <sys/types.h>

#include "os/file.h"
#include "os/process.h"

namespace holdfast {

struct Pipe {
  Fd read_end;
  Fd write_end;
};

// Both ends are closed in children, and lie above the standard descriptors.
Pipe make_pipe();
void set_nonblocking(const Fd& fd);

// Throws Error(kInvalid) for what no command can have.
void check_options(const ProcessOptions& options);

// What the child's descriptors shall be.
class FileActions {
 public:
  FileActions();
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  ~FileActions();

  void connect(const Fd& fd, int target);
  void no_input();
  void close_others();
  void change_directory(const std::string& path);
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

// A started child, in a process group of its own. It and its group do not outlive this object.
class Child {
 public:
  Child(const ProcessOptions& options, const FileActions& actions);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child();

  // Readable once the child has exited.
  const Fd& exit_fd() const { return exit_fd_; }

  // Only before reap(): until then the number of the group cannot become another's.
  void signal_group(int signal) const;

  // The signal that the child has died of; 0: none, or it still runs. Only before reap().
  int end_signal() const;

  // Waits for the exit; the status is waitpid's.
  int reap();

 private:
  pid_t pid_ = -1;
  Fd exit_fd_;
  bool reaped_ = false;
};

// While it lives, a closed pipe gives this thread EPIPE and no signal.
class SigpipeBlock {
 public:
  SigpipeBlock();
  SigpipeBlock(const SigpipeBlock&) = delete;
  SigpipeBlock& operator=(const SigpipeBlock&) = delete;
  ~SigpipeBlock();

 private:
  sigset_t sigpipe_{};
  sigset_t old_mask_{};
  bool was_pending_ = false;
};

// Sets exit code and signal of `result` from a status of waitpid.
void set_status(ProcessResult& result, int status);

}  // namespace holdfast
