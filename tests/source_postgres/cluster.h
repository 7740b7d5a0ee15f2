// A PostgreSQL server for one test, on a private socket.
#pragma once

#include <string>
#include <vector>

#include "support/temp_dir.h"

namespace holdfast {

// Programs run as the user postgres when the test is root. A failing program throws
// Error(kInternal) with what it said.
class Cluster {
 public:
  // Makes a cluster with checksums and segments of 1 MiB; not started.
  Cluster();
  // Stops the server, if it runs.
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  void start();
  void stop();
  void promote();
  // Runs SQL, statement by statement; returns the rows, a line each, unaligned.
  std::string sql(const std::string& text) const;

  // A file or directory beside the cluster's data, which the server's user may write.
  std::string path(const std::string& name) const { return directory_ / name; }
  std::string data() const { return path("data"); }
  // The log's segments, in order, that are in the data directory.
  std::vector<std::string> segments() const;

  // Runs a program of PostgreSQL; returns what it wrote to standard output, up to 1 MiB.
  std::string run(const std::string& program, const std::vector<std::string>& arguments,
                  const std::string& input = {}) const;
  // The same by a shell line, in which $BIN is where the programs are.
  std::string shell(const std::string& line) const;
  void append_file(const std::string& name, const std::string& text) const;

 private:
  TempDir directory_;
  bool running_ = false;
};

}  // namespace holdfast
