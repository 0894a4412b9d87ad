// The pass over the chunks of sorted entries. Per entry it reads key and source (8 bytes, 12 with coefficients) and one
// row of a pooled gradient (4 dim bytes, unless a cache has it); per distinct row it reads and writes the weights and
// the state.
#include "cuda/sparse_passes.h"
#include "cuda/sparse_rows.h"

namespace prerank::cuda {
namespace {

// Entries whose gradients and rows are loaded together: as many as registers allow.
constexpr int entries_in_flight(int blocks, bool vector) {
  const int entries = vector ? 4 : 2;
  return entries > blocks ? entries / blocks : 1;
}

__device__ void load_entry_source(const SparsePass& pass, uint32_t entry, const float*& gradient, float& coefficient) {
  uint32_t source;
  if (pass.entries.weighted != nullptr) {
    const WeightedSource weighted = pass.entries.weighted[entry];
    source = weighted.source;
    coefficient = weighted.coefficient;
  } else {
    source = pass.entries.sources[entry];
    coefficient = 1;
  }
  // The input's number takes what the bag leaves of 32 bits, which may be nothing.
  const GradientRows rows = pass.gradients[uint64_t{source} >> pass.entries.bag_bits];
  const uint32_t bag = source & static_cast<uint32_t>((uint64_t{1} << pass.entries.bag_bits) - 1);
  gradient = rows.base + bag * rows.stride;
}

template <class Rule, int kBlocks, bool kVector, class T>
__device__ void take_chunk(const SparsePass& pass, const cpu::UpdateConstants& c, uint32_t t, uint32_t warp) {
  using Update = RowUpdate<Rule, kBlocks, kVector, T>;
  constexpr int kFlight = entries_in_flight(kBlocks, kVector);
  const SparseTable table = pass.table[t];
  const uint32_t lane = threadIdx.x % kWarpThreads;
  const uint32_t slice = warp % table.slices;
  const Update update(table, pass, c, lane, slice);
  const uint32_t lanes = update.columns.lanes();
  const uint32_t chunk = warp / table.slices * (kWarpThreads / lanes) + lane / lanes;
  const ChunkEntries e = entries_of(pass, t, chunk);
  const auto row_at = [&](uint32_t entry) { return row_of_entry(pass.entries, table, entry); };

  float sum[Update::kColumns] = {};
  double squares = 0;
  uint32_t row = row_at(e.from < e.end ? e.from : e.end - 1);
  bool head = e.from > e.begin && e.from < e.to && row_at(e.from - 1) == row;
  bool open = false;  // the sum holds a row that has not ended
  for (uint32_t first = 0; first < kChunkEntries; first += kFlight) {
    float gradient[kFlight][Update::kColumns], coefficient[kFlight];
    typename Update::Row rows[kFlight];
    const float* address[kFlight];
    uint32_t number[kFlight], slot[kFlight];
    bool valid[kFlight], ends[kFlight], whole[kFlight];
    PRERANK_UNROLL
    for (int k = 0; k < kFlight; ++k) {
      const uint32_t entry = e.from + first + static_cast<uint32_t>(k);
      valid[k] = entry < e.to;
      // Behind the table's end: its last entry again, without use.
      const uint32_t at = valid[k] ? entry : e.end - 1;
      const uint32_t next = row_at(at + 1 < e.end ? at + 1 : at);
      load_entry_source(pass, at, address[k], coefficient[k]);
      number[k] = row;
      ends[k] = valid[k] && (at + 1 == e.end || next != row);
      whole[k] = ends[k] && !head;
      head = head && !ends[k];
      row = next;
    }
    PRERANK_UNROLL
    for (int k = 0; k < kFlight; ++k) slot[k] = Rule::kUpdates ? slot_of_row(table.cached, number[k]) : kNoSlot;
    PRERANK_UNROLL
    for (int k = 0; k < kFlight; ++k) update.columns.template load<kVector>(gradient[k], address[k]);
    PRERANK_UNROLL
    for (int k = 0; k < kFlight; ++k) update.load(rows[k], number[k], slot[k], whole[k]);
    PRERANK_UNROLL
    for (int k = 0; k < kFlight; ++k) {
      if (valid[k]) {
        PRERANK_UNROLL
        for (int i = 0; i < Update::kColumns; ++i) sum[i] += coefficient[k] * gradient[k][i];
        open = true;
      }
      update.apply(sum, rows[k], number[k], whole[k], squares);
      if (!ends[k]) continue;
      if (!whole[k]) update.columns.template store<kVector>(sum, partial_of(pass, t, chunk, Partial::kHead));
      PRERANK_UNROLL
      for (int i = 0; i < Update::kColumns; ++i) sum[i] = 0;
      open = false;
    }
  }
  if (open) {
    update.columns.template store<kVector>(sum, partial_of(pass, t, chunk, head ? Partial::kHead : Partial::kTail));
  }
  if constexpr (!Rule::kUpdates) {
    squares = add_over_lanes(squares, lanes);
    if (e.from < e.to && update.columns.lane == 0) {
      pass.norms[pass.chunks[t].first_piece + size_t{chunk} * table.slices + slice] = squares;
    }
  }
}

template <class Rule, int kBlocks, bool kVector, class T>
__global__ void __launch_bounds__(kBlockThreads, kBlocks == 8 ? 1 : 2) take_chunks(SparsePass pass) {
  __shared__ cpu::UpdateConstants c;
  if constexpr (Rule::kUpdates) {
    if (!is_update(pass)) return;
    load_constants(pass, c);
  }
  const uint32_t warps = pass.chunks[pass.tables].first_warp;
  for (size_t w = first_item() / kWarpThreads; w < warps; w += item_stride() / kWarpThreads) {
    const auto number = static_cast<uint32_t>(w);
    const uint32_t t = table_with<&TableChunks::first_warp>(pass, number);
    if (!takes<Rule, kBlocks, kVector, T>(pass.table[t])) continue;
    take_chunk<Rule, kBlocks, kVector, T>(pass, c, t, number - pass.chunks[t].first_warp);
  }
}

template <class Rule, int kBlocks, bool kVector, class T>
struct ChunkKernel {
  static Status enqueue(cudaStream_t stream, const SparseLaunch& size, const SparsePass& pass) {
    return launch(stream, blocks_for(size.warps, kBlockThreads / kWarpThreads), kBlockThreads,
                  take_chunks<Rule, kBlocks, kVector, T>, pass);
  }
};

}  // namespace

Status enqueue_chunks(cudaStream_t stream, const SparseLaunch& size, const SparsePass& pass) {
  return launch_update<ChunkKernel>(stream, size, pass);
}

Status enqueue_chunk_norms(cudaStream_t stream, const SparseLaunch& size, const SparsePass& pass) {
  return launch_wide<ChunkKernel, NormRule>(stream, size, pass);
}

}  // namespace prerank::cuda
