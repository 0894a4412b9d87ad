#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "io/fault_guard.h"
#include "prerank/dataset.h"

namespace prerank {
namespace {

class MappedFileTest : public testing::Test {
 protected:
  std::string write(const std::string& name, size_t bytes) {
    const auto path = folder_ / name;
    std::ofstream(path, std::ios::binary) << std::string(bytes, 'x');
    return path.string();
  }
  MappedFileTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "prerank-io-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~MappedFileTest() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
};

TEST_F(MappedFileTest, ShowsTheBytesOfTheFile) {
  auto file = MappedFile::open(write("a", 10000));
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_EQ(file.value()->bytes().size(), 10000u);
  EXPECT_EQ(file.value()->bytes()[9999], std::byte{'x'});
}

TEST_F(MappedFileTest, AnEmptyFileIsEmpty) {
  auto file = MappedFile::open(write("empty", 0));
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_TRUE(file.value()->bytes().empty());
}

TEST_F(MappedFileTest, NamesTheFileItCannotOpen) {
  const auto missing = MappedFile::open((folder_ / "nothing").string());
  EXPECT_EQ(missing.status().code(), Code::kNotFound);
  EXPECT_NE(missing.status().message().find("nothing"), std::string::npos);
  EXPECT_EQ(MappedFile::open(folder_.string()).status().code(), Code::kInvalidArgument);
}

TEST_F(MappedFileTest, ATruncatedFileReadsAsZerosAndIsReported) {
  const std::string path = write("shrinks", 1 << 20);
  auto file = MappedFile::open(path);
  ASSERT_TRUE(file.ok());
  const auto bytes = file.value()->bytes();
  SourceWatch watch;
  watch.add(bytes.data() + 500000);
  EXPECT_TRUE(watch.check().ok());
  std::filesystem::resize_file(path, 5000);
  EXPECT_EQ(bytes[900000], std::byte{0});
  EXPECT_EQ(bytes[20000], std::byte{0});
  EXPECT_EQ(bytes[4999], std::byte{'x'});
  EXPECT_EQ(watch.check().code(), Code::kDatasetChanged);
  EXPECT_NE(watch.check().message().find("shrinks"), std::string::npos);
  std::filesystem::resize_file(path, 1 << 20);  // what was read meanwhile stays wrong
  EXPECT_EQ(watch.check().code(), Code::kDatasetChanged);
}

TEST_F(MappedFileTest, AShorterFileIsReportedEvenWhenNoPageIsMissing) {
  const std::string path = write("a", 4000);
  auto file = MappedFile::open(path);
  ASSERT_TRUE(file.ok());
  SourceWatch watch;
  watch.add(file.value()->bytes().data());
  std::filesystem::resize_file(path, 3999);
  EXPECT_EQ(watch.check().code(), Code::kDatasetChanged);
}

TEST_F(MappedFileTest, AnotherMappingIsNotAffected) {
  const std::string path = write("a", 100000);
  auto shrinking = MappedFile::open(path);
  auto other = MappedFile::open(write("b", 100000));
  ASSERT_TRUE(shrinking.ok() && other.ok());
  SourceWatch watch;
  watch.add(other.value()->bytes().data());
  std::filesystem::resize_file(path, 0);
  EXPECT_EQ(shrinking.value()->bytes()[99999], std::byte{0});
  EXPECT_TRUE(watch.check().ok());
}

TEST_F(MappedFileTest, FaultsElsewhereStillEndTheProcess) {
  const std::string path = write("a", 8192);
  auto guarded = MappedFile::open(path);  // installs the handler
  ASSERT_TRUE(guarded.ok());
  const auto touch_unguarded = [&] {
    FILE* const file = std::fopen(path.c_str(), "r+");
    void* const memory = mmap(nullptr, 8192, PROT_READ, MAP_SHARED, fileno(file), 0);
    if (ftruncate(fileno(file), 0) != 0) std::_Exit(0);
    std::_Exit(static_cast<const volatile char*>(memory)[5000]);
  };
  EXPECT_DEATH(touch_unguarded(), "");
}

}  // namespace
}  // namespace prerank
