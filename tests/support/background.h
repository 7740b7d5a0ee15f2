// The program under test, running beside the test.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

namespace holdfast {

// How a run of the program ended.
struct Outcome {
  int code = 0;
  std::string out;
  std::string err;
};

// The program, running in the background. Ends with this object, by SIGKILL.
class Background {
 public:
  Background(const std::vector<std::string>& argv, const std::string& directory,
             const std::string& output);
  Background(Background&& other) noexcept
      : output_(std::move(other.output_)),
        pid_(std::exchange(other.pid_, -1)),
        code_(other.code_) {}
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;
  ~Background();

  // Its exit code, 128 + signal when one ended it; throws std::runtime_error after a minute.
  int wait();
  // The same after `signal`.
  int end(int signal);
  // SIGSTOP, say, and SIGCONT.
  void send(int signal) const;
  bool running();
  // What it printed so far.
  std::string said() const;
  // Returns once it has printed `text`; throws std::runtime_error when it ends before.
  void wait_for(const std::string& text);
  // Returns once there is a file `path`; throws std::runtime_error when it ends before.
  void wait_for_file(const std::string& path);

 private:
  std::string output_;
  pid_t pid_ = -1;
  int code_ = 0;
};

}  // namespace holdfast
