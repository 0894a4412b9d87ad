// Table rows and their gradients in the registers of a group of lanes, and the optimizers' rules on them (the
// arithmetic of native/cpu/simd/sparse_updates.cc). Shared by the passes of sparse_update.cu and sparse_merge.cu.
#pragma once

#include <type_traits>

#include "base/table_rounding.h"
#include "cuda/kernel.h"
#include "cuda/launch.h"
#include "cuda/share.h"
#include "cuda/sparse_passes.h"
#include "cuda/table_access.h"

namespace prerank::cuda {

// Columns of one lane, from `first` of the row on: kBlocks times four. With `vector` they are neighbours four by four,
// so that a lane moves 16 bytes (8 of a narrow row) at once; otherwise neighbouring lanes have neighbouring columns.
template <int kBlocks>
struct Columns {
  static constexpr int kCount = 4 * kBlocks;
  uint32_t dim, narrow_lanes, lane, first;

  // Known beforehand for wide rows: then columns are at fixed distances from the first.
  __device__ uint32_t lanes() const { return kBlocks > 1 ? kMostLanes : narrow_lanes; }

  template <bool kVector>
  __device__ uint32_t of(int i) const {
    return kVector ? first + lane * 4 + static_cast<uint32_t>(i / 4) * lanes() * 4 + static_cast<uint32_t>(i % 4)
                   : first + lane + lanes() * static_cast<uint32_t>(i);
  }

  // Columns beyond the row are 0, and all of them unless `wanted`.
  template <bool kVector>
  __device__ void load(float* x, const float* row, bool wanted = true) const {
    PRERANK_UNROLL
    for (int i = 0; i < kCount; i += 4) {
      if constexpr (kVector) {
        const uint32_t column = of<true>(i);
        float4 v = make_float4(0, 0, 0, 0);
        if (wanted && column < dim) v = *reinterpret_cast<const float4*>(row + column);
        x[i] = v.x;
        x[i + 1] = v.y;
        x[i + 2] = v.z;
        x[i + 3] = v.w;
      } else {
        PRERANK_UNROLL
        for (int j = i; j < i + 4; ++j) x[j] = wanted && of<false>(j) < dim ? row[of<false>(j)] : 0.0f;
      }
    }
  }

  template <bool kVector, class T>
  __device__ void load(float* x, const T* row, bool wanted = true) const {
    PRERANK_UNROLL
    for (int i = 0; i < kCount; i += 4) {
      if constexpr (kVector) {
        const uint32_t column = of<true>(i);
        uint2 v = make_uint2(0, 0);
        if (wanted && column < dim) v = *reinterpret_cast<const uint2*>(row + column);
        x[i] = Narrow<T>::lower(v.x);
        x[i + 1] = Narrow<T>::upper(v.x);
        x[i + 2] = Narrow<T>::lower(v.y);
        x[i + 3] = Narrow<T>::upper(v.y);
      } else {
        PRERANK_UNROLL
        for (int j = i; j < i + 4; ++j) {
          x[j] = wanted && of<false>(j) < dim ? Narrow<T>::lower(row[of<false>(j)].bits) : 0.0f;
        }
      }
    }
  }

  template <bool kVector>
  __device__ void store(const float* x, float* row) const {
    PRERANK_UNROLL
    for (int i = 0; i < kCount; i += 4) {
      if constexpr (kVector) {
        const uint32_t column = of<true>(i);
        if (column < dim) *reinterpret_cast<float4*>(row + column) = make_float4(x[i], x[i + 1], x[i + 2], x[i + 3]);
      } else {
        PRERANK_UNROLL
        for (int j = i; j < i + 4; ++j) {
          if (of<false>(j) < dim) row[of<false>(j)] = x[j];
        }
      }
    }
  }

  template <bool kVector, class T>
  __device__ void store_rounded(const float* x, T* row, uint64_t keys) const {
    const auto rounded = [&](int i) { return Narrow<T>::rounded(x[i], column_rounding(keys, of<kVector>(i))); };
    PRERANK_UNROLL
    for (int i = 0; i < kCount; i += 4) {
      if constexpr (kVector) {
        const uint32_t column = of<true>(i);
        if (column >= dim) continue;
        *reinterpret_cast<uint2*>(row + column) =
            make_uint2(rounded(i) | rounded(i + 1) << 16, rounded(i + 2) | rounded(i + 3) << 16);
      } else {
        PRERANK_UNROLL
        for (int j = i; j < i + 4; ++j) {
          if (of<false>(j) < dim) row[of<false>(j)].bits = static_cast<uint16_t>(rounded(j));
        }
      }
    }
  }
};

struct SgdRule {
  static constexpr int kStates = 0;
  static constexpr bool kUpdates = true, kRowwise = false;
  __device__ static void apply(const cpu::UpdateConstants& c, float g, float& w, float&, float&) { w -= c.lr * g; }
};
struct AdagradRule {
  static constexpr int kStates = 1;
  static constexpr bool kUpdates = true, kRowwise = false;
  __device__ static void apply(const cpu::UpdateConstants& c, float g, float& w, float& sum, float&) {
    sum += g * g;
    w -= c.lr * g / (sqrtf(sum) + c.epsilon);
  }
};
struct AdamRule {
  static constexpr int kStates = 2;
  static constexpr bool kUpdates = true, kRowwise = false;
  __device__ static void apply(const cpu::UpdateConstants& c, float g, float& w, float& m, float& v) {
    m = c.beta1 * m + c.rest1 * g;
    v = c.beta2 * v + c.rest2 * (g * g);
    w = c.decay * w - c.m_rate * m / (sqrtf(v) * c.v_scale + c.epsilon);
  }
};
// One state for the row.
struct RowwiseAdagradRule {
  static constexpr int kStates = 0;
  static constexpr bool kUpdates = true, kRowwise = true;
};
// Changes nothing: adds squares up.
struct NormRule {
  static constexpr int kStates = 0;
  static constexpr bool kUpdates = false, kRowwise = false;
};

// Over `lanes` neighbours, a power of two. Every lane of the warp comes here.
template <class T>
__device__ T add_over_lanes(T x, uint32_t lanes) {
  for (uint32_t mask = lanes / 2; mask > 0; mask /= 2) x += __shfl_xor_sync(0xffffffffu, x, static_cast<int>(mask));
  return x;
}

// The same number, of which the compiler knows nothing: what follows from it is computed anew, where keeping it from
// an earlier use would take registers.
__device__ inline uint32_t afresh(uint32_t x) {
#if defined(__CUDA_ARCH__)
  asm volatile("" : "+r"(x));
#endif
  return x;
}

// A table as the lanes of a warp see it, with what its updates need.
template <class Rule, int kBlocks, bool kVector, class T>
struct RowUpdate {
  static constexpr bool kUpdates = Rule::kUpdates, kNarrow = !std::is_same_v<T, float>;
  static constexpr int kColumns = Columns<kBlocks>::kCount;
  static constexpr bool kHasState0 = Rule::kStates > 0, kHasState1 = Rule::kStates > 1;

  // A row's weights and state.
  struct Row {
    float w[Rule::kUpdates ? kColumns : 1];
    float s0[kHasState0 ? kColumns : 1];
    float s1[kHasState1 ? kColumns : 1];
  };

  const SparseTable& table;
  const cpu::UpdateConstants& c;
  Columns<kBlocks> columns;
  uint64_t rounding;

  __device__ RowUpdate(const SparseTable& of, const SparsePass& pass, const cpu::UpdateConstants& constants,
                       uint32_t lane, uint32_t slice)
      : table(of),
        c(constants),
        columns{of.dim, of.lanes, lane % of.lanes, slice * Columns<kBlocks>::kCount * of.lanes},
        rounding(0) {
    if constexpr (kNarrow) rounding = table_rounding(pass.numbers->seed, pass.numbers->step, of.stream);
  }

  // Where a row lies with this slot (slot_of_row), and its number there.
  struct Place {
    RowArrays rows;
    uint32_t number;
  };
  __device__ Place place_of(uint32_t row, uint32_t slot) const {
    return slot == kNoSlot ? Place{table.rows, row} : Place{table.cached->in_slots, slot};
  }

  __device__ void load(Row& r, uint32_t row, uint32_t slot, bool wanted) const {
    if constexpr (!Rule::kUpdates) return;
    const auto [rows, number] = place_of(row, slot);
    const size_t first = size_t{number} * table.dim;
    columns.template load<kVector>(r.w, static_cast<const T*>(rows.weights) + first, wanted);
    if constexpr (kHasState0) columns.template load<kVector>(r.s0, rows.state0 + first, wanted);
    if constexpr (kHasState1) columns.template load<kVector>(r.s1, rows.state1 + first, wanted);
    if constexpr (Rule::kRowwise) r.s0[0] = wanted ? rows.state0[number] : 0.0f;
  }

  // Where it was loaded from.
  __device__ Place place_again(uint32_t row) const {
    const uint32_t number = afresh(row);
    return place_of(number, slot_of_row(table.cached, number));
  }

  __device__ void store(const Row& r, uint32_t row, const Place& place) const {
    const auto& [rows, number] = place;
    const size_t first = size_t{number} * table.dim;
    if constexpr (kNarrow) {
      columns.template store_rounded<kVector>(r.w, static_cast<T*>(rows.weights) + first,
                                              row_rounding(rounding, row));
    } else {
      columns.template store<kVector>(r.w, static_cast<float*>(rows.weights) + first);
    }
    if constexpr (kHasState0) columns.template store<kVector>(r.s0, rows.state0 + first);
    if constexpr (kHasState1) columns.template store<kVector>(r.s1, rows.state1 + first);
  }

  // Applies the summed gradient of a loaded row, where `whole` says so. Every lane of the warp comes here.
  __device__ void apply(const float* sum, Row& r, uint32_t row, bool whole, double& squares) const {
    if constexpr (!Rule::kUpdates) {
      if (!whole) return;
      float squares_here = 0;
      PRERANK_UNROLL
      for (int i = 0; i < kColumns; ++i) squares_here += sum[i] * sum[i];
      squares += static_cast<double>(squares_here);
    } else if constexpr (Rule::kRowwise) {
      if (__any_sync(0xffffffffu, whole ? 1 : 0) == 0) return;
      float squares_here = 0;
      PRERANK_UNROLL
      for (int i = 0; i < kColumns; ++i) {
        const float g = whole ? c.grad_scale * sum[i] + c.l2 * r.w[i] : 0.0f;
        squares_here += g * g;
      }
      const float total = add_over_lanes(squares_here, columns.lanes());
      __syncwarp();  // all have read the state that the first lane is about to write: shuffles do not order memory
      if (!whole) return;
      const float state = r.s0[0] + total / static_cast<float>(table.dim);
      const float rate = c.lr / (sqrtf(state) + c.epsilon);
      PRERANK_UNROLL
      for (int i = 0; i < kColumns; ++i) r.w[i] -= rate * (c.grad_scale * sum[i] + c.l2 * r.w[i]);
      const Place place = place_again(row);
      store(r, row, place);
      if (columns.lane == 0) place.rows.state0[place.number] = state;
    } else if (whole) {
      PRERANK_UNROLL
      for (int i = 0; i < kColumns; ++i) {
        Rule::apply(c, c.grad_scale * sum[i] + c.l2 * r.w[i], r.w[i], r.s0[kHasState0 ? i : 0],
                    r.s1[kHasState1 ? i : 0]);
      }
      store(r, row, place_again(row));
    }
  }
};

// Whether a step changes parameters, and by which constants.
__device__ inline bool is_update(const SparsePass& pass) {
  return pass.numbers->update != 0 && pass.result->refused == 0;
}
// The constants go to the block's memory, where they take no registers. Every thread of the block comes here.
__device__ inline void load_constants(const SparsePass& pass, cpu::UpdateConstants& c) {
  if (threadIdx.x == 0) {
    c = pass.numbers->sparse;
    c.grad_scale *= pass.result->sparse_scale;
  }
  __syncthreads();
}

__device__ inline uint32_t row_of_entry(const SortedEntries& entries, const SparseTable& table, uint32_t entry) {
  return entries.wide_keys != nullptr ? static_cast<uint32_t>(entries.wide_keys[entry] - table.first_key)
                                      : entries.narrow_keys[entry] - static_cast<uint32_t>(table.first_key);
}

// The last table whose member (a prefix sum over tables) is not above `number`: the one that has the number.
template <uint32_t TableChunks::*kMember>
__device__ uint32_t table_with(const SparsePass& pass, uint32_t number) {
  uint32_t low = 0, high = pass.tables;
  while (high - low > 1) {
    const uint32_t middle = (low + high) / 2;
    (pass.chunks[middle].*kMember <= number ? low : high) = middle;
  }
  return low;
}

// Tables that a kernel takes: each has kernels of its own, which need fewer registers than one for all.
template <class Rule, int kBlocks, bool kVector, class T>
__device__ bool takes(const SparseTable& table) {
  return table.blocks == kBlocks && (table.vector != 0) == kVector && (!Rule::kUpdates || table.type == kTypeOf<T>);
}

// Entries of one chunk.
struct ChunkEntries {
  uint32_t begin, end;  // of the table
  uint32_t from, to;    // of the chunk: empty when the table has no such chunk
};
__device__ inline ChunkEntries entries_of(const SparsePass& pass, uint32_t table, uint32_t chunk) {
  ChunkEntries e;
  e.begin = pass.chunks[table].first_entry;
  e.end = pass.chunks[table + 1].first_entry;
  const uint64_t from = uint64_t{e.begin} + uint64_t{chunk} * kChunkEntries;
  e.from = static_cast<uint32_t>(from < e.end ? from : e.end);
  e.to = e.end - e.from < kChunkEntries ? e.end : e.from + kChunkEntries;
  return e;
}

// Sums of a chunk's first row (begun before it) and of its last (continued behind it).
enum class Partial : uint32_t { kHead, kTail };
__device__ inline float* partial_of(const SparsePass& pass, uint32_t table, uint32_t chunk, Partial which) {
  const size_t width = (pass.table[table].dim + 3) / 4 * 4;
  return pass.partials + pass.chunks[table].first_partial + (size_t{chunk} * 2 + static_cast<uint32_t>(which)) * width;
}

// Calls Kernel<Rule, kRowBlocks[kPlace], kVector, T>::enqueue where there are such tables, by vector.
template <template <class, int, bool, class> class Kernel, class Rule, size_t kPlace, class T>
Status launch_for_type(cudaStream_t stream, const SparseLaunch& size, const SparsePass& pass, const bool (&any)[2]) {
  constexpr int kBlocks = static_cast<int>(kRowBlocks[kPlace]);
  if (any[1]) PRERANK_RETURN_IF_ERROR((Kernel<Rule, kBlocks, true, T>::enqueue(stream, size, pass)));
  if (any[0]) PRERANK_RETURN_IF_ERROR((Kernel<Rule, kBlocks, false, T>::enqueue(stream, size, pass)));
  return {};
}

// For every kind of tables that there is. What does not read weights takes all types at once.
template <template <class, int, bool, class> class Kernel, class Rule, size_t kPlace>
Status launch_for_tables(cudaStream_t stream, const SparseLaunch& size, const SparsePass& pass) {
  const auto& any = size.tables[kPlace];
  if constexpr (Rule::kUpdates) {
    const auto& wide = any[static_cast<size_t>(TableType::kFloat32)];
    const auto& bfloat16 = any[static_cast<size_t>(TableType::kBfloat16)];
    const auto& float16 = any[static_cast<size_t>(TableType::kFloat16)];
    PRERANK_RETURN_IF_ERROR((launch_for_type<Kernel, Rule, kPlace, Bfloat16>(stream, size, pass, bfloat16)));
    PRERANK_RETURN_IF_ERROR((launch_for_type<Kernel, Rule, kPlace, Float16>(stream, size, pass, float16)));
    return launch_for_type<Kernel, Rule, kPlace, float>(stream, size, pass, wide);
  } else {
    bool of_any_type[2] = {};
    for (const auto& of_type : any) {
      for (const size_t vector : {0, 1}) of_any_type[vector] = of_any_type[vector] || of_type[vector];
    }
    return launch_for_type<Kernel, Rule, kPlace, float>(stream, size, pass, of_any_type);
  }
}

// For tables of every width, where the optimizer needs whole rows.
template <template <class, int, bool, class> class Kernel, class Rule>
Status launch_wide(cudaStream_t stream, const SparseLaunch& size, const SparsePass& pass) {
  PRERANK_RETURN_IF_ERROR((launch_for_tables<Kernel, Rule, 0>(stream, size, pass)));
  PRERANK_RETURN_IF_ERROR((launch_for_tables<Kernel, Rule, 1>(stream, size, pass)));
  return launch_for_tables<Kernel, Rule, 2>(stream, size, pass);
}

template <template <class, int, bool, class> class Kernel>
Status launch_update(cudaStream_t stream, const SparseLaunch& size, const SparsePass& pass) {
  switch (size.kind) {
    case SparseOptimizerKind::kSgd:
      return launch_for_tables<Kernel, SgdRule, 0>(stream, size, pass);
    case SparseOptimizerKind::kAdagrad:
      return launch_for_tables<Kernel, AdagradRule, 0>(stream, size, pass);
    case SparseOptimizerKind::kRowwiseAdagrad:
      return launch_wide<Kernel, RowwiseAdagradRule>(stream, size, pass);
    case SparseOptimizerKind::kAdam:
      return launch_for_tables<Kernel, AdamRule, 0>(stream, size, pass);
  }
  return {Code::kInternal, "an optimizer without an update of tables"};
}

}  // namespace prerank::cuda
