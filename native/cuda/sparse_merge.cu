// The second pass: rows that go on behind a chunk. Per such row and chunk that it touches, a partial (4 dim bytes) is
// read.
#include "cuda/sparse_passes.h"
#include "cuda/sparse_rows.h"

namespace prerank::cuda {
namespace {

constexpr uint32_t kMergeWarps = kBlockThreads / kWarpThreads;
constexpr uint32_t kLongRun = 32;  // chunks: a row that goes on for more has the whole block

// A row that begins in a chunk and ends in a later one: the tail of that chunk, then the heads of the next ones.
struct RowRun {
  uint32_t table = 0, chunk = 0, slice = 0;
  uint32_t row = 0;
  uint32_t partials = 0;  // 0: there is none
};

__device__ RowRun run_of_piece(const SparsePass& pass, uint32_t piece) {
  RowRun run;
  run.table = table_with<&TableChunks::first_piece>(pass, piece);
  const SparseTable& table = pass.table[run.table];
  const uint32_t number = piece - pass.chunks[run.table].first_piece;
  run.chunk = number / table.slices;
  run.slice = number % table.slices;
  const ChunkEntries e = entries_of(pass, run.table, run.chunk);
  if (e.to == e.end) return run;
  const auto row_at = [&](uint32_t entry) { return row_of_entry(pass.entries, table, entry); };
  run.row = row_at(e.to);
  if (row_at(e.to - 1) != run.row || (e.from > e.begin && row_at(e.from - 1) == run.row)) return run;
  // The last of the next chunks that begin with this row: steps are doubled, then halved.
  const uint32_t chunks = (e.end - e.to + kChunkEntries - 1) / kChunkEntries;  // behind this one
  const auto goes_on = [&](uint32_t k) { return row_at(e.to + (k - 1) * kChunkEntries) == run.row; };
  uint32_t low = 1, step = 1;
  while (step <= chunks - low && goes_on(low + step)) {
    low += step;
    step *= 2;
  }
  for (; step > 0; step /= 2) {
    if (step <= chunks - low && goes_on(low + step)) low += step;
  }
  run.partials = low + 1;
  return run;
}

template <class Update, bool kVector>
__device__ void add_partials(const SparsePass& pass, const RowRun& run, const Update& update, uint32_t first,
                             uint32_t last, float* sum) {
  constexpr uint32_t kFlight = Update::kColumns <= 8 ? 4 : 1;
  for (uint32_t i = first; i < last; i += kFlight) {
    float partial[kFlight][Update::kColumns];
    PRERANK_UNROLL
    for (uint32_t k = 0; k < kFlight; ++k) {
      const uint32_t at = i + k < last ? i + k : last - 1;
      update.columns.template load<kVector>(
          partial[k], partial_of(pass, run.table, run.chunk + at, at == 0 ? Partial::kTail : Partial::kHead));
    }
    PRERANK_UNROLL
    for (uint32_t k = 0; k < kFlight; ++k) {
      if (i + k >= last) continue;
      PRERANK_UNROLL
      for (int c = 0; c < Update::kColumns; ++c) sum[c] += partial[k][c];
    }
  }
}

// The first group of the warp has the sum of the whole run; the warp's other groups only come along.
template <class Update>
__device__ void finish_run(const SparsePass& pass, const RowRun& run, const Update& update, const float* sum,
                           uint32_t piece) {
  const uint32_t lanes = update.columns.lanes();
  const bool first = threadIdx.x % kWarpThreads < lanes;
  typename Update::Row row;
  update.load(row, run.row, slot_of_row(update.table.cached, run.row), first);
  double squares = 0;
  update.apply(sum, row, run.row, first, squares);
  if constexpr (!Update::kUpdates) {
    squares = add_over_lanes(squares, lanes);
    if (threadIdx.x % kWarpThreads == 0) pass.norms[piece] += squares;
  }
}

// Each group of the block adds a part of the run of warp `owner`, and that warp the parts in their order.
template <class Update, bool kVector>
__device__ void add_long_run(const SparsePass& pass, const RowRun& run, const Update& update, uint32_t owner,
                             float* sums, float* total) {
  const uint32_t lanes = update.columns.lanes(), groups = kBlockThreads / lanes, group = threadIdx.x / lanes;
  const auto part = [&](uint32_t g) { return static_cast<uint32_t>(uint64_t{run.partials} * g / groups); };
  const auto at = [&](uint32_t g, int c) {
    return (g * Update::kColumns + static_cast<uint32_t>(c)) * lanes + update.columns.lane;
  };
  {
    float sum[Update::kColumns] = {};
    add_partials<Update, kVector>(pass, run, update, part(group), part(group + 1), sum);
    PRERANK_UNROLL
    for (int c = 0; c < Update::kColumns; ++c) sums[at(group, c)] = sum[c];
  }
  __syncthreads();
  if (threadIdx.x / kWarpThreads == owner) {
    PRERANK_UNROLL
    for (int c = 0; c < Update::kColumns; ++c) {
      for (uint32_t g = 0; g < groups; ++g) total[c] += sums[at(g, c)];
    }
  }
  __syncthreads();
}

// Resident on a multiprocessor, at least: without a number the compiler would rather spill than lose one more.
constexpr unsigned int merge_blocks(int blocks) { return blocks == 1 ? 4 : blocks == 2 ? 2 : 1; }

// A warp looks at a piece; the block comes together for those whose row is in many chunks.
template <class Rule, int kBlocks, bool kVector, class T>
__global__ void __launch_bounds__(kBlockThreads, merge_blocks(kBlocks)) merge_pieces(SparsePass pass) {
  using Update = RowUpdate<Rule, kBlocks, kVector, T>;
  __shared__ cpu::UpdateConstants c;
  __shared__ float sums[kBlockThreads * Update::kColumns];
  __shared__ uint32_t is_long[kMergeWarps];
  if constexpr (Rule::kUpdates) {
    if (!is_update(pass)) return;
    load_constants(pass, c);
  }
  const uint32_t pieces = pass.chunks[pass.tables].first_piece;
  const uint32_t warp = threadIdx.x / kWarpThreads, lane = threadIdx.x % kWarpThreads;
  for (size_t first = size_t{blockIdx.x} * kMergeWarps; first < pieces; first += size_t{gridDim.x} * kMergeWarps) {
    const size_t piece = first + warp;
    RowRun run;
    if (piece < pieces) run = run_of_piece(pass, static_cast<uint32_t>(piece));
    const bool some = run.partials > 0 && takes<Rule, kBlocks, kVector, T>(pass.table[run.table]);
    if (lane == 0) is_long[warp] = some && run.partials > kLongRun ? 1 : 0;
    const Update update(pass.table[run.table], pass, c, lane, run.slice);
    float sum[Update::kColumns] = {};
    if (some && run.partials <= kLongRun) {
      add_partials<Update, kVector>(pass, run, update, 0, run.partials, sum);
    }
    __syncthreads();
    for (uint32_t w = 0; w < kMergeWarps; ++w) {
      if (is_long[w] == 0) continue;
      const RowRun whole = run_of_piece(pass, static_cast<uint32_t>(first + w));
      const Update of_run(pass.table[whole.table], pass, c, lane, whole.slice);
      add_long_run<Update, kVector>(pass, whole, of_run, w, sums, sum);
    }
    if (some) finish_run(pass, run, update, sum, static_cast<uint32_t>(piece));
    __syncthreads();
  }
}

template <class Rule, int kBlocks, bool kVector, class T>
struct MergeKernel {
  static Status enqueue(cudaStream_t stream, const SparseLaunch& size, const SparsePass& pass) {
    return launch(stream, blocks_for(size.pieces, kMergeWarps), kBlockThreads,
                  merge_pieces<Rule, kBlocks, kVector, T>, pass);
  }
};

}  // namespace

Status enqueue_merge(cudaStream_t stream, const SparseLaunch& size, const SparsePass& pass) {
  return launch_update<MergeKernel>(stream, size, pass);
}

Status enqueue_merge_norms(cudaStream_t stream, const SparseLaunch& size, const SparsePass& pass) {
  return launch_wide<MergeKernel, NormRule>(stream, size, pass);
}

}  // namespace prerank::cuda
