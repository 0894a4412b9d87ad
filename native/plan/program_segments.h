// A plan's segments with their kernels, and how a worker takes its tiles through them.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "base/aligned_buffer.h"
#include "plan/operation_times.h"
#include "plan/program_memory.h"
#include "prerank/kernel.h"
#include "prerank/plan.h"
#include "prerank/status.h"

namespace prerank {

// Borrows plan, memory and profile (null: none); allocates nothing after create(). `rows`: of the largest batch.
// `bfloat16_products`: as in KernelBuild.
class ProgramSegments {
 public:
  static Result<ProgramSegments> create(const Plan& plan, std::span<const TableView> tables, ProgramMemory& memory,
                                        size_t workers, size_t rows, OperationTimes* profile,
                                        bool bfloat16_products);

  size_t size() const { return segments_.size(); }
  Domain domain(size_t segment) const { return segments_[segment].domain; }
  Phase phase(size_t segment) const { return segments_[segment].phase; }
  // Operations of domain none before the tiles: they may compute weights from parameters and noise.
  bool has_prologue() const;

  // Every worker, before the tiles: what the kernels derive from parameters.
  void prepare(const TileContext& context) const;
  // The operations of domain none of a phase.
  void run_once(Phase phase, TileContext context) const;
  // The worker's contiguous block of the tiles of `rows` rows: which it takes depends on rows and workers alone.
  void run_tiles(size_t segment, size_t rows, TileContext context) const;
  // All rows at once, by one worker.
  void run_batch(size_t segment, size_t rows, TileContext context) const;

 private:
  struct Segment {
    Domain domain = Domain::kRow;
    Phase phase = Phase::kTiles;
    std::vector<std::unique_ptr<Kernel>> kernels;
    size_t first_operation = 0;  // number of its first kernel among the plan's operations
    std::vector<size_t> moving;  // values of its domain that are addressed anew for each tile
    std::vector<size_t> whole;   // values of the other domain, addressed at row 0
  };

  Status allocate_scratch();
  void place_values(const PlanSegment& planned, Segment& segment) const;
  void run_kernels(const Segment& segment, TileContext context) const;

  const Plan* plan_ = nullptr;
  ProgramMemory* memory_ = nullptr;
  OperationTimes* profile_ = nullptr;
  size_t workers_ = 1;
  std::vector<Segment> segments_;
  std::vector<AlignedBuffer> scratch_;  // per worker; its kernels share it, so that it stays in the cache
};

}  // namespace prerank
