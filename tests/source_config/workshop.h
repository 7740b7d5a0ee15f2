// A temporary directory in which tests make files and git repositories.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace holdfast {

class Workshop : public testing::Test {
 protected:
  Workshop();
  ~Workshop() override;

  // The absolute path of `relative`.
  std::string at(const std::string& relative) const;
  // Writes a file and the directories above it; returns its absolute path.
  std::string write(const std::string& relative, const std::string& text) const;
  std::string read(const std::string& relative) const;
  bool exists(const std::string& relative) const;

  // Runs git in `directory` as a user would; returns its output without the line end at the end.
  // A failure fails the test.
  std::string git(const std::string& directory, const std::vector<std::string>& arguments) const;
  // A new repository with one commit of file "file" on branch main; returns its absolute path.
  std::string make_repository(const std::string& relative) const;
  // Commits a new content of "file".
  void commit(const std::string& repository, const std::string& text) const;

 private:
  std::string root_;
};

}  // namespace holdfast
