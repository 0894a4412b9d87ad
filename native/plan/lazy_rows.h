// Which rows of a table hold values yet: a table too large for the memory is drawn where it is first looked up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace prerank {

// Rows are drawn in blocks of kBlockRows, so that a block starts at a multiple of 4 elements (parameter_init.h).
class LazyRows {
 public:
  static constexpr size_t kBlockRows = 4;

  LazyRows() = default;
  explicit LazyRows(size_t rows) : rows_(rows), drawn_((rows / kBlockRows + 64) / 64, 0) {}

  // Calls draw(first row, end row) for each block of these rows that has not been drawn.
  template <class Draw>
  void touch(std::span<const uint32_t> rows, Draw&& draw) {
    for (const uint32_t row : rows) {
      const size_t block = row / kBlockRows;
      const uint64_t bit = uint64_t{1} << (block % 64);
      if ((drawn_[block / 64] & bit) != 0) continue;
      drawn_[block / 64] |= bit;
      draw_block(block, draw);
    }
  }

  // Calls draw for every block that has not been drawn, without marking it.
  template <class Draw>
  void each_missing(Draw&& draw) const {
    for (size_t block = 0; block * kBlockRows < rows_; ++block) {
      if ((drawn_[block / 64] >> (block % 64) & 1) == 0) draw_block(block, draw);
    }
  }

  void mark_all() { drawn_.assign(drawn_.size(), ~uint64_t{0}); }

 private:
  template <class Draw>
  void draw_block(size_t block, Draw&& draw) const {
    const size_t first = block * kBlockRows;
    draw(first, first + kBlockRows < rows_ ? first + kBlockRows : rows_);
  }

  size_t rows_ = 0;
  std::vector<uint64_t> drawn_;  // a bit per block
};

}  // namespace prerank
