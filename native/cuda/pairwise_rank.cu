// A pairwise loss over the whole batch: rows with an event should score above near misses and above plain rows by a
// margin each. The rows are sorted by class, score and row; running sums over each class then give every row the sums
// over its partners, which a binary search delimits: O(n log n), in an order that depends on the batch alone.
#include <algorithm>
#include <cub/device/device_radix_sort.cuh>
#include <limits>
#include <memory>
#include <type_traits>

#include "cpu/pairwise_settings.h"
#include "cuda/block_sum.h"
#include "cuda/device.h"
#include "cuda/elementwise.h"
#include "cuda/ops.h"

namespace prerank::cuda {
namespace {

using cpu::PairwiseSettings;

constexpr unsigned int kPairThreads = 256;  // and rows of a tile of the running sums
constexpr unsigned int kPairBlocks = 512;   // that leave a part of a sum over rows
constexpr unsigned int kPairWarps = kPairThreads / 32;

// High bits of the sort keys. A labelled score that is not finite comes first and spoils the loss.
enum PairClass : unsigned int { kBroken, kEvent, kNear, kPlain, kUnpaired, kPairClasses };
constexpr unsigned int kSummedClasses = 3;  // kEvent, kNear, kPlain
constexpr int kKeyBits = 32 + 3;

// Over a prefix of a class: of w, w * score, w * score^2.
struct PairSums {
  double weight, sum, squares;
};

// What the kernels of a step leave to each other.
struct PairScratch {
  uint64_t *keys, *sorted_keys;  // [rows]
  uint32_t *numbers, *sorted;    // [rows]: row numbers
  size_t* starts;                // [kPairClasses + 1]: first position of a class, after the sort
  PairSums* running;             // [rows]: of the tile up to the item
  PairSums* tiles;               // [kSummedClasses, tiles]: of the tile, then of all tiles up to it
  PairSums* totals;              // [kSummedClasses]
  double* losses;                // [kPairBlocks]
  size_t tile_count;
};

// Unsigned order as that of the scores; both zeros are one score.
__device__ uint32_t ordered_bits(float score) {
  const uint32_t bits = __float_as_uint(score == 0.0f ? 0.0f : score);
  return bits >> 31 != 0 ? ~bits : bits | 0x80000000u;
}
__device__ double score_of(uint64_t key) {
  const uint32_t bits = static_cast<uint32_t>(key);
  return static_cast<double>(__uint_as_float(bits >> 31 != 0 ? bits & 0x7fffffffu : ~bits));
}
__device__ unsigned int class_of(uint64_t key) { return static_cast<unsigned int>(key >> 32); }

__global__ void pair_keys(size_t rows, PairwiseSettings pairing, const uint32_t* task_mask, const float* const* targets,
                          Matrix scores, PairScratch scratch) {
  const uint32_t both = 1u << pairing.event | 1u << pairing.condition;
  const float* const events = targets[pairing.event];
  const float* const conditions = targets[pairing.condition];
  for (size_t r = first_item(); r < rows; r += item_stride()) {
    uint64_t key = uint64_t{kUnpaired} << 32;
    if ((task_mask[r] & both) == both) {
      const float score = scores.at(r, 0);
      const bool finite = fabsf(score) <= std::numeric_limits<float>::max();
      const PairClass of = !finite ? kBroken : events[r] > 0.5f ? kEvent : conditions[r] > 0.5f ? kNear : kPlain;
      key = uint64_t{of} << 32 | ordered_bits(score);
    }
    scratch.keys[r] = key;
    scratch.numbers[r] = static_cast<uint32_t>(r);
  }
}

// Each boundary between sorted neighbours starts the classes that lie between them.
__global__ void pair_starts(size_t rows, PairScratch scratch) {
  for (size_t i = first_item(); i <= rows; i += item_stride()) {
    const unsigned int before = i == 0 ? 0 : class_of(scratch.sorted_keys[i - 1]) + 1;
    const unsigned int here = i == rows ? kPairClasses : class_of(scratch.sorted_keys[i]);
    for (unsigned int c = before; c <= here; ++c) scratch.starts[c] = i;
  }
}

__device__ PairSums plus(const PairSums& a, const PairSums& b) {
  return {a.weight + b.weight, a.sum + b.sum, a.squares + b.squares};
}
__device__ PairSums lower_lane(const PairSums& v, unsigned int distance) {
  return {__shfl_up_sync(0xffffffffu, v.weight, distance), __shfl_up_sync(0xffffffffu, v.sum, distance),
          __shfl_up_sync(0xffffffffu, v.squares, distance)};
}

// Sums over the threads up to this one, and over all of them. Every thread of the block must come.
__device__ PairSums running_sums(PairSums v, PairSums& total) {
  __shared__ double parts[kPairWarps][3];
  const unsigned int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  for (unsigned int distance = 1; distance < 32; distance *= 2) {
    const PairSums below = lower_lane(v, distance);
    if (lane >= distance) v = plus(below, v);
  }
  __syncthreads();  // an earlier call may still be reading
  if (lane == 31) {
    parts[warp][0] = v.weight;
    parts[warp][1] = v.sum;
    parts[warp][2] = v.squares;
  }
  __syncthreads();
  PairSums before = {};
  total = {};
  for (unsigned int w = 0; w < kPairWarps; ++w) {
    if (w == warp) before = total;
    total = plus(total, {parts[w][0], parts[w][1], parts[w][2]});
  }
  return plus(before, v);
}

// Items of a class come in the order in which their partners take them up: events from the worst up, others from the
// best down.
__device__ size_t position_of(unsigned int of, size_t item, const size_t* starts) {
  return of == kEvent ? starts[of] + item : starts[of + 1] - 1 - item;
}

// One block a class and tile.
__global__ void __launch_bounds__(kPairThreads) pair_tiles(DeviceBatch batch, PairScratch scratch) {
  const size_t tile = blockIdx.x % scratch.tile_count;
  const unsigned int of = kEvent + static_cast<unsigned int>(blockIdx.x / scratch.tile_count);
  const size_t begin = scratch.starts[of], count = scratch.starts[of + 1] - begin;
  const size_t item = tile * kPairThreads + threadIdx.x;
  if (tile * kPairThreads >= count) return;
  const float* const weights = *batch.weight;
  PairSums own = {};
  if (item < count) {
    const size_t position = position_of(of, item, scratch.starts);
    const double w = weights == nullptr ? 1.0 : static_cast<double>(weights[scratch.sorted[position]]);
    const double score = score_of(scratch.sorted_keys[position]);
    own = {w, w * score, w * score * score};
  }
  PairSums total;
  const PairSums running = running_sums(own, total);
  if (item < count) scratch.running[begin + item] = running;
  if (threadIdx.x == 0) scratch.tiles[(of - kEvent) * scratch.tile_count + tile] = total;
}

// One block a class: sums of single tiles become sums of all tiles up to each.
__global__ void __launch_bounds__(kPairThreads) pair_totals(PairScratch scratch) {
  const unsigned int of = kEvent + blockIdx.x;
  PairSums* const tiles = scratch.tiles + blockIdx.x * scratch.tile_count;
  const size_t count = (scratch.starts[of + 1] - scratch.starts[of] + kPairThreads - 1) / kPairThreads;
  PairSums before = {};
  for (size_t first = 0; first < count; first += kPairThreads) {
    const size_t tile = first + threadIdx.x;
    const PairSums own = tile < count ? tiles[tile] : PairSums{};
    PairSums total;
    const PairSums running = running_sums(own, total);
    if (tile < count) tiles[tile] = plus(before, running);
    before = plus(before, total);
  }
  if (threadIdx.x == 0) scratch.totals[blockIdx.x] = before;
}

// The class's first items, of which there are `count`.
__device__ PairSums sums_of_first(const PairScratch& scratch, unsigned int of, size_t count) {
  if (count == 0) return {};
  const size_t last = count - 1, tile = last / kPairThreads;
  const PairSums in_tile = scratch.running[scratch.starts[of] + last];
  if (tile == 0) return in_tile;
  return plus(scratch.tiles[(of - kEvent) * scratch.tile_count + tile - 1], in_tile);
}

// Whether the pair of an event and another row is closer than the margin.
__device__ bool within_margin(double margin, double event, double other) { return margin - event + other > 0; }

// How many items of class `partners` are within the margin of a row of class `of`: they are the first ones.
__device__ size_t partners_within(const PairScratch& scratch, unsigned int of, unsigned int partners, double score,
                                  double margin) {
  size_t low = 0, high = scratch.starts[partners + 1] - scratch.starts[partners];
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    const double partner = score_of(scratch.sorted_keys[position_of(partners, middle, scratch.starts)]);
    const bool within = of == kEvent ? within_margin(margin, score, partner) : within_margin(margin, partner, score);
    if (within) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

// What a row brings to the loss and its slope from its pairs with one class; pairs count for the loss with their event.
__device__ void add_pairs(const PairwiseSettings& pairing, const PairScratch& scratch, unsigned int of,
                          unsigned int partners, double w, double score, double& loss, double& slope) {
  const unsigned int other = of == kEvent ? partners : of;
  const double pairs = scratch.totals[0].weight * scratch.totals[other - kEvent].weight;
  if (!(pairs > 0)) return;
  const double scale = pairing.mean ? 1 / pairs : 1.0;
  const double margin = other == kNear ? pairing.near_margin : pairing.plain_margin;
  const PairSums s = sums_of_first(scratch, partners, partners_within(scratch, of, partners, score, margin));
  if (of == kEvent) {
    const double distance = margin - score;
    const double gaps = s.weight * distance + s.sum;
    loss += scale * w * (pairing.squared ? distance * (gaps + s.sum) + s.squares : gaps);
    slope -= scale * w * (pairing.squared ? 2 * gaps : s.weight);
  } else {
    const double gaps = s.weight * (margin + score) - s.sum;
    slope += scale * w * (pairing.squared ? 2 * gaps : s.weight);
  }
}

// One thread a row in sorted order; a block's part of the loss goes to scratch.
__global__ void __launch_bounds__(kPairThreads)
    pair_slopes(size_t rows, PairwiseSettings pairing, DeviceBatch batch, PairScratch scratch, Matrix slopes) {
  const bool broken = scratch.starts[kEvent] > 0;
  const float* const weights = *batch.weight;
  double loss = 0;
  for (size_t i = first_item(); i < rows; i += item_stride()) {
    const size_t row = scratch.sorted[i];
    const uint64_t key = scratch.sorted_keys[i];
    const unsigned int of = class_of(key);
    double slope = 0;
    if (!broken && of != kUnpaired) {
      const double w = weights == nullptr ? 1.0 : static_cast<double>(weights[row]);
      if (of == kEvent) {
        add_pairs(pairing, scratch, of, kNear, w, score_of(key), loss, slope);
        add_pairs(pairing, scratch, of, kPlain, w, score_of(key), loss, slope);
      } else {
        add_pairs(pairing, scratch, of, kEvent, w, score_of(key), loss, slope);
      }
    }
    slopes.at(row, 0) = static_cast<float>(slope);
  }
  const double total = block_sum(broken ? std::numeric_limits<double>::quiet_NaN() : loss);
  if (threadIdx.x == 0) scratch.losses[blockIdx.x] = total;
}

// Sum of what `parts` blocks have left, in every thread.
__device__ double sum_of_parts(const double* partials, unsigned int parts) {
  double sum = 0;
  for (unsigned int p = threadIdx.x; p < parts; p += blockDim.x) sum += partials[p];
  return block_sum(sum);
}

__global__ void __launch_bounds__(kPairThreads)
    pair_losses(size_t rows, const double* partials, unsigned int parts, Matrix losses) {
  const float loss = static_cast<float>(sum_of_parts(partials, parts));
  for (size_t r = first_item(); r < rows; r += item_stride()) losses.at(r, 0) = loss;
}

class DevicePairwiseRank final : public DeviceKernel {
 public:
  static DeviceKernelResult create(const PairwiseSettings& pairing, size_t capacity) {
    auto kernel = std::make_unique<DevicePairwiseRank>();
    kernel->pairing_ = pairing;
    if (capacity > std::numeric_limits<uint32_t>::max()) {
      return Status(Code::kInvalidArgument, "a pairwise loss holds less than 2^32 rows");
    }
    PRERANK_RETURN_IF_ERROR(kernel->allocate(capacity));
    return std::unique_ptr<DeviceKernel>(std::move(kernel));
  }

  Status enqueue(const DeviceContext& context) const override {
    const size_t rows = context.rows;
    if (rows == 0) return {};
    PairScratch scratch = scratch_;
    scratch.tile_count = tiles_for(rows);
    const unsigned int parts = std::min(blocks_for(rows, kPairThreads), kPairBlocks);
    const auto on_rows = [&](auto kernel, unsigned int blocks, const auto&... arguments) {
      return launch(context.stream, blocks, kPairThreads, kernel, arguments...);
    };
    PRERANK_RETURN_IF_ERROR(on_rows(pair_keys, blocks_for(rows, kPairThreads), rows, pairing_, context.input.task_mask,
                                    context.input.targets, matrix(pairing_.score, context), scratch));
    size_t bytes = sort_.bytes();
    PRERANK_CUDA(sort_rows(sort_.as<void>(), bytes, scratch, rows, context.stream));
    PRERANK_RETURN_IF_ERROR(on_rows(pair_starts, blocks_for(rows + 1, kPairThreads), rows, scratch));
    PRERANK_RETURN_IF_ERROR(
        on_rows(pair_tiles, static_cast<unsigned int>(kSummedClasses * scratch.tile_count), context.input, scratch));
    PRERANK_RETURN_IF_ERROR(on_rows(pair_totals, kSummedClasses, scratch));
    PRERANK_RETURN_IF_ERROR(
        on_rows(pair_slopes, parts, rows, pairing_, context.input, scratch, matrix(pairing_.slope, context)));
    return on_rows(pair_losses, parts, rows, scratch.losses, parts, matrix(pairing_.loss, context));
  }

 private:
  static size_t tiles_for(size_t rows) { return (rows + kPairThreads - 1) / kPairThreads; }

  static cudaError_t sort_rows(void* storage, size_t& bytes, const PairScratch& s, size_t rows, cudaStream_t stream) {
    return cub::DeviceRadixSort::SortPairs(storage, bytes, s.keys, s.sorted_keys, s.numbers, s.sorted,
                                           static_cast<uint32_t>(rows), 0, kKeyBits, stream);
  }

  Status allocate(size_t capacity) {
    size_t bytes = 0;
    PRERANK_CUDA(sort_rows(nullptr, bytes, scratch_, capacity, nullptr));
    PRERANK_ASSIGN_OR_RETURN(sort_, DeviceBuffer::allocate(bytes, "the sort of a pairwise loss"));
    const auto items = [&](DeviceBuffer& buffer, size_t count, auto*& address) -> Status {
      PRERANK_ASSIGN_OR_RETURN(buffer, DeviceBuffer::allocate(count * sizeof(*address), "the rows of a pairwise loss"));
      address = buffer.as<std::remove_reference_t<decltype(*address)>>();
      return {};
    };
    PRERANK_RETURN_IF_ERROR(items(keys_, capacity, scratch_.keys));
    PRERANK_RETURN_IF_ERROR(items(sorted_keys_, capacity, scratch_.sorted_keys));
    PRERANK_RETURN_IF_ERROR(items(numbers_, capacity, scratch_.numbers));
    PRERANK_RETURN_IF_ERROR(items(sorted_, capacity, scratch_.sorted));
    PRERANK_RETURN_IF_ERROR(items(starts_, kPairClasses + 1, scratch_.starts));
    PRERANK_RETURN_IF_ERROR(items(running_, capacity, scratch_.running));
    PRERANK_RETURN_IF_ERROR(items(tiles_, kSummedClasses * tiles_for(capacity), scratch_.tiles));
    PRERANK_RETURN_IF_ERROR(items(totals_, kSummedClasses, scratch_.totals));
    return items(losses_, kPairBlocks, scratch_.losses);
  }

  PairwiseSettings pairing_;
  PairScratch scratch_ = {};
  DeviceBuffer sort_, keys_, sorted_keys_, numbers_, sorted_, starts_, running_, tiles_, totals_, losses_;
};

// Parts of the sum of dY over rows.
__global__ void __launch_bounds__(kPairThreads) pair_grad_parts(size_t rows, Matrix dy, double* partials) {
  double sum = 0;
  for (size_t r = first_item(); r < rows; r += item_stride()) sum += static_cast<double>(dy.at(r, 0));
  const double total = block_sum(sum);
  if (threadIdx.x == 0) partials[blockIdx.x] = total;
}

__global__ void __launch_bounds__(kPairThreads)
    pair_grad(size_t rows, const double* partials, unsigned int parts, Matrix slope, Matrix dx) {
  const double total = sum_of_parts(partials, parts);
  for (size_t r = first_item(); r < rows; r += item_stride()) {
    dx.at(r, 0) = static_cast<float>(total * static_cast<double>(slope.at(r, 0)));
  }
}

class DevicePairwiseGrad final : public DeviceKernel {
 public:
  DevicePairwiseGrad(const cpu::PairwiseGradient& views, DeviceBuffer partials)
      : views_(views), partials_(std::move(partials)) {}

  Status enqueue(const DeviceContext& context) const override {
    if (context.rows == 0) return {};
    const unsigned int parts = std::min(blocks_for(context.rows, kPairThreads), kPairBlocks);
    PRERANK_RETURN_IF_ERROR(launch(context.stream, parts, kPairThreads, pair_grad_parts, context.rows,
                                   matrix(views_.dy, context), partials_.as<double>()));
    return launch(context.stream, parts, kPairThreads, pair_grad, context.rows, partials_.as<double>(), parts,
                  matrix(views_.slope, context), matrix(views_.dx, context));
  }

 private:
  cpu::PairwiseGradient views_;
  DeviceBuffer partials_;
};

}  // namespace

DeviceKernelResult make_pairwise_rank(const DeviceBuild& build) {
  PRERANK_ASSIGN_OR_RETURN(const PairwiseSettings settings, cpu::pairwise_settings(build));
  return DevicePairwiseRank::create(settings, build.rows);
}

DeviceKernelResult make_pairwise_rank_grad(const DeviceBuild& build) {
  PRERANK_ASSIGN_OR_RETURN(const cpu::PairwiseGradient views, cpu::pairwise_gradient(build));
  PRERANK_ASSIGN_OR_RETURN(DeviceBuffer partials,
                           DeviceBuffer::allocate(kPairBlocks * sizeof(double), "the sums of a pairwise loss"));
  return std::unique_ptr<DeviceKernel>(std::make_unique<DevicePairwiseGrad>(views, std::move(partials)));
}

}  // namespace prerank::cuda
