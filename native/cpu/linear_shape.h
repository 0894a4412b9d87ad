// What linear and its gradients share: the weight's shape, and the choice between oneDNN and the thin loops.
#pragma once

#include <vector>

#include "cpu/matmul.h"
#include "cpu/operands.h"

namespace prerank::cpu {

struct LinearShape {
  size_t in = 0, out = 0;
};

// Up to here a product per output is cheaper than oneDNN's call.
inline constexpr size_t kThinOutputs = 4;

// Shape of the weight [out, in]; both must match the widths at hand.
Result<LinearShape> linear_shape(const KernelBuild& build, const PlanValue& weight, size_t in, size_t out);

// A matmul for so many rows of a tile.
struct Piece {
  size_t rows;
  Matmul matmul;
};

// A matmul for each size of piece; none when the thin loops do everything. `of_rows` gives the shape for a row count.
template <class OfRows>
Result<std::vector<Piece>> make_pieces(const KernelBuild& build, const LinearShape& shape, OfRows of_rows) {
  std::vector<Piece> pieces;
  if (shape.out <= kThinOutputs || build.segment_domain == Domain::kNone) return pieces;
  for (const size_t rows : matmul_pieces(build.row_pieces)) {
    PRERANK_ASSIGN_OR_RETURN(Matmul matmul, Matmul::create(of_rows(rows), build.workers, build.op->layer));
    pieces.push_back({rows, std::move(matmul)});
  }
  return pieces;
}

// Cuts [0, rows) into pieces: large(matmul, first row) while one fits, thin(first row, rows) for the rest.
template <class Large, class Thin>
void for_pieces(const std::vector<Piece>& pieces, size_t rows, Large large, Thin thin) {
  size_t first = 0;
  for (const Piece& piece : pieces) {
    for (; rows - first >= piece.rows; first += piece.rows) large(piece.matmul, first);
  }
  if (first < rows) thin(first, rows - first);
}

}  // namespace prerank::cpu
