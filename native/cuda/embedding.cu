// Lookups with pooling, all of an operation in one launch. Each output is one lookup, written straight into a view of
// whatever its vectors are concatenated into. A group of lanes takes a bag: per id it reads the id (4 bytes), its
// weight if there are any (4) and the row (4 dim, or 2 dim), per bag the offset (4, lists only), and it writes the
// pooled vector (4 dim).
#include <algorithm>
#include <bit>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "cuda/cached_rows.h"
#include "cuda/launch.h"
#include "cuda/ops.h"
#include "cuda/pack.h"
#include "cuda/share.h"
#include "cuda/table_access.h"
#include "cuda/upload.h"

namespace prerank::cuda {
namespace {

constexpr int kRowsInFlight = 4;  // bags of one id that a group takes at once
constexpr int kIdsInFlight = 8;   // of a longer bag

constexpr size_t kMostLookups = 256;  // of one launch: what is passed with it must stay below 4 KiB

// How the lanes of a group read a row.
enum class RowAccess : uint32_t { kSingly, kFour, kEight };

// A lookup as the device knows it.
struct DeviceLookup {
  const void* weights;
  const CachedTable* cached;  // null: no row has a slot elsewhere
  uint32_t id_input;
  uint32_t dim;
  uint32_t stride;  // of y
  uint32_t mean;
};

// What only the launch knows.
struct Destinations {
  float* y[kMostLookups];
  uint8_t access[kMostLookups];
  uint8_t lanes[kMostLookups];  // of a group: a power of 2
};

template <int kWidth>
__device__ void store_columns(float* y, const float* values) {
  if constexpr (kWidth == 1) {
    *y = values[0];
  } else {
    for (int i = 0; i < kWidth; i += 4) {
      *reinterpret_cast<float4*>(y + i) = make_float4(values[i], values[i + 1], values[i + 2], values[i + 3]);
    }
  }
}

// The groups of one launch that share a lookup.
struct BagGroups {
  size_t first, count;  // this thread's group, and all of them
  uint32_t lane, lanes;
};

// The bag of the batch's own that has the ids of `bag`.
__device__ uint32_t own_bag(const DeviceIds& ids, size_t bag) {
  const auto number = static_cast<uint32_t>(bag);
  return number < ids.last ? number : ids.last;
}

// Where the rows of a table are: all in one place, or some of them in slots.
template <class T>
struct PlainRows {
  const T* table;
  uint32_t dim;

  __device__ PlainRows(const DeviceLookup& lookup, const T* weights) : table(weights), dim(lookup.dim) {}
  __device__ uint32_t slot_of(const uint32_t*) const { return kNoSlot; }
  __device__ const T* at(const uint32_t* id, uint32_t) const { return table + size_t{__ldg(id)} * dim; }
};

template <class T>
struct SlottedRows {
  const T* table;
  const T* slots;
  const CachedTable* cached;
  uint32_t dim;

  __device__ SlottedRows(const DeviceLookup& lookup, const T* weights)
      : table(weights),
        slots(static_cast<const T*>(lookup.cached->in_slots.weights)),
        cached(lookup.cached),
        dim(lookup.dim) {}
  __device__ uint32_t slot_of(const uint32_t* id) const { return slot_of_row(cached, __ldg(id)); }
  __device__ const T* at(const uint32_t* id, uint32_t slot) const {
    return slot == kNoSlot ? table + size_t{__ldg(id)} * dim : slots + size_t{slot} * dim;
  }
};

// Neighbouring groups take neighbouring bags, and each group several of them at once.
template <int kWidth, class T, class Rows>
__device__ void look_up_rows(const BagGroups& groups, const DeviceLookup& lookup, const Rows& table,
                             const DeviceIds& ids, size_t rows, float* y) {
  for (size_t first = groups.first; first < rows; first += kRowsInFlight * groups.count) {
    const T* row[kRowsInFlight];
    uint32_t slot[kRowsInFlight];
    const auto id_of = [&](int k) { return ids.ids + own_bag(ids, first + k * groups.count); };
    PRERANK_UNROLL
    for (int k = 0; k < kRowsInFlight; ++k) slot[k] = table.slot_of(id_of(k));
    PRERANK_UNROLL
    for (int k = 0; k < kRowsInFlight; ++k) row[k] = table.at(id_of(k), slot[k]);
    for (uint32_t column = groups.lane * kWidth; column < lookup.dim; column += groups.lanes * kWidth) {
      Weights<kWidth, T> weights[kRowsInFlight];
      PRERANK_UNROLL
      for (int k = 0; k < kRowsInFlight; ++k) weights[k].load(row[k] + column);
      PRERANK_UNROLL
      for (int k = 0; k < kRowsInFlight; ++k) {
        const size_t bag = first + k * groups.count;
        if (bag >= rows) break;
        float sum[kWidth] = {};
        weights[k].add_to(sum, 1.0f);
        store_columns<kWidth>(y + bag * lookup.stride + column, sum);
      }
    }
  }
}

template <int kWidth, class T, class Rows>
__device__ void look_up_bags(const BagGroups& groups, const DeviceLookup& lookup, const Rows& table,
                             const DeviceIds& ids, size_t rows, float* y) {
  for (size_t bag = groups.first; bag < rows; bag += groups.count) {
    const uint32_t* const bounds = ids.offsets + own_bag(ids, bag);
    const uint32_t begin = __ldg(bounds), end = __ldg(bounds + 1);
    const float scale = lookup.mean != 0 && end > begin ? 1.0f / static_cast<float>(end - begin) : 1.0f;
    for (uint32_t column = groups.lane * kWidth; column < lookup.dim; column += groups.lanes * kWidth) {
      float sum[kWidth] = {};
      for (uint32_t first = begin; first < end; first += kIdsInFlight) {
        const uint32_t left = end - first;
        Weights<kWidth, T> weights[kIdsInFlight];
        float factor[kIdsInFlight];
        uint32_t slot[kIdsInFlight];
        PRERANK_UNROLL
        for (uint32_t k = 0; k < kIdsInFlight; ++k) slot[k] = k < left ? table.slot_of(ids.ids + first + k) : kNoSlot;
        PRERANK_UNROLL
        for (uint32_t k = 0; k < kIdsInFlight; ++k) {
          if (k >= left) continue;
          factor[k] = ids.weights == nullptr ? 1.0f : __ldg(ids.weights + first + k);
          weights[k].load(table.at(ids.ids + first + k, slot[k]) + column);
        }
        PRERANK_UNROLL
        for (uint32_t k = 0; k < kIdsInFlight; ++k) {
          if (k < left) weights[k].add_to(sum, factor[k]);
        }
      }
      for (int i = 0; i < kWidth; ++i) sum[i] *= scale;
      store_columns<kWidth>(y + bag * lookup.stride + column, sum);
    }
  }
}

template <int kWidth, bool kSlotted, class T>
__device__ void look_up(const BagGroups& groups, const DeviceLookup& lookup, const T* weights, const DeviceIds& ids,
                        size_t rows, float* y) {
  const std::conditional_t<kSlotted, SlottedRows<T>, PlainRows<T>> table(lookup, weights);
  if (ids.offsets == nullptr) {
    look_up_rows<kWidth, T>(groups, lookup, table, ids, rows, y);
  } else {
    look_up_bags<kWidth, T>(groups, lookup, table, ids, rows, y);
  }
}

// Resident on a multiprocessor, at least: without a number the compiler would rather spill than lose one more.
constexpr unsigned int lookup_blocks(bool slotted) { return slotted ? 2 : 3; }

// `blocks` blocks for each lookup.
template <class T, bool kSlotted>
__global__ void __launch_bounds__(kBlockThreads, lookup_blocks(kSlotted))
    embedding_lookups(const DeviceLookup* lookups, Destinations to, const DeviceIds* ids, size_t rows,
                      unsigned int blocks) {
  const unsigned int number = blockIdx.x / blocks;
  const DeviceLookup lookup = lookups[number];
  const uint32_t lanes = to.lanes[number];
  const size_t thread = size_t{blockIdx.x % blocks} * blockDim.x + threadIdx.x;
  const BagGroups groups = {thread / lanes, size_t{blocks} * blockDim.x / lanes, static_cast<uint32_t>(thread) % lanes,
                            lanes};
  const DeviceIds of = ids[lookup.id_input];
  float* const y = to.y[number];
  const auto access = static_cast<RowAccess>(to.access[number]);
  const auto* const table = static_cast<const T*>(lookup.weights);
  if constexpr (kTypeOf<T> != TableType::kFloat32) {
    if (access == RowAccess::kEight) {
      look_up<8, kSlotted>(groups, lookup, table, of, rows, y);
      return;
    }
  }
  if (access == RowAccess::kFour) {
    look_up<4, kSlotted>(groups, lookup, table, of, rows, y);
  } else {
    look_up<1, kSlotted>(groups, lookup, table, of, rows, y);
  }
}

auto* lookups_of(TableType type, bool slotted) {
  switch (type) {
    case TableType::kBfloat16:
      return slotted ? embedding_lookups<Bfloat16, true> : embedding_lookups<Bfloat16, false>;
    case TableType::kFloat16:
      return slotted ? embedding_lookups<Float16, true> : embedding_lookups<Float16, false>;
    case TableType::kFloat32:
      break;
  }
  return slotted ? embedding_lookups<float, true> : embedding_lookups<float, false>;
}

struct Lookup {
  size_t id_input = 0;
  bool multi = false;
  bool mean = false;
  TableView table;
  const CachedTable* cached = nullptr;
  View y;
};

Result<Lookup> lookup_of(const DeviceBuild& build, size_t i, double id_input, double pooling) {
  if (!(id_input >= 0) || id_input >= static_cast<double>(build.plan->id_inputs.size())) {
    return cpu::invalid(build, "no id input " + std::to_string(id_input));
  }
  Lookup lookup;
  lookup.id_input = static_cast<size_t>(id_input);
  lookup.mean = pooling == 1;
  const PlanIdInput& input = build.plan->id_inputs[lookup.id_input];
  if (input.domain != build.segment_domain) {
    return cpu::invalid(build, "id input '" + input.name + "' is of another domain");
  }
  if (input.table < 0 || static_cast<size_t>(input.table) >= build.tables.size()) {
    return cpu::invalid(build, "id input '" + input.name + "' has no table");
  }
  lookup.multi = input.multi;
  lookup.table = build.tables[static_cast<size_t>(input.table)];
  if (!build.cached.empty()) lookup.cached = build.cached[static_cast<size_t>(input.table)];
  PRERANK_ASSIGN_OR_RETURN(lookup.y, cpu::output_view(build, i));
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "a lookup", lookup.y.width, static_cast<size_t>(lookup.table.dim)));
  return lookup;
}

// 16 bytes at once where table, view and width allow it.
RowAccess access_of(const Lookup& lookup, const float* y) {
  const TableWeights& weights = lookup.table.weights;
  const size_t dim = lookup.y.width;
  const auto* const rows = static_cast<const float*>(address_of(weights));
  if (!rows_take_packs(rows, dim) || !rows_take_packs(y, lookup.y.stride)) return RowAccess::kSingly;
  return type_of(weights) != TableType::kFloat32 && dim % 8 == 0 ? RowAccess::kEight : RowAccess::kFour;
}

class EmbeddingKernel final : public DeviceKernel {
 public:
  static Result<std::unique_ptr<DeviceKernel>> create(std::vector<Lookup> lookups) {
    auto kernel = std::make_unique<EmbeddingKernel>();
    // One launch takes tables of one kind: fewer launches when those stand together.
    std::ranges::stable_sort(lookups, {}, is_slotted);
    std::vector<DeviceLookup> descriptors;
    for (const Lookup& lookup : lookups) {
      descriptors.push_back({address_of(lookup.table.weights), lookup.cached, static_cast<uint32_t>(lookup.id_input),
                             static_cast<uint32_t>(lookup.y.width), static_cast<uint32_t>(lookup.y.stride),
                             lookup.mean ? 1u : 0u});
    }
    kernel->lookups_ = std::move(lookups);
    PRERANK_ASSIGN_OR_RETURN(kernel->descriptors_,
                             upload_array(std::span<const DeviceLookup>(descriptors), "a lookup"));
    return std::unique_ptr<DeviceKernel>(std::move(kernel));
  }

  Status enqueue(const DeviceContext& context) const override {
    if (context.rows == 0) return {};
    for (size_t first = 0; first < lookups_.size();) {
      const size_t count = launch_size(first);
      PRERANK_RETURN_IF_ERROR(enqueue_part(context, first, count));
      first += count;
    }
    return {};
  }

 private:
  static bool is_slotted(const Lookup& lookup) { return lookup.cached != nullptr; }

  size_t launch_size(size_t first) const {
    const auto kind = [this](size_t i) {
      return std::pair(type_of(lookups_[i].table.weights), is_slotted(lookups_[i]));
    };
    size_t last = first + 1;
    while (last < lookups_.size() && last - first < kMostLookups && kind(last) == kind(first)) ++last;
    return last - first;
  }

  Status enqueue_part(const DeviceContext& context, size_t first, size_t count) const {
    Destinations to = {};
    size_t threads = 1;
    for (size_t i = 0; i < count; ++i) {
      const Lookup& lookup = lookups_[first + i];
      to.y[i] = lookup.y.at(context);
      const RowAccess access = access_of(lookup, to.y[i]);
      const size_t width = access == RowAccess::kEight ? 8 : access == RowAccess::kFour ? 4 : 1;
      const size_t lanes = std::min(size_t{kWarpThreads}, std::bit_ceil((lookup.y.width + width - 1) / width));
      to.access[i] = static_cast<uint8_t>(access);
      to.lanes[i] = static_cast<uint8_t>(lanes);
      const size_t groups = lookup.multi ? context.rows : (context.rows + kRowsInFlight - 1) / kRowsInFlight;
      threads = std::max(threads, groups * lanes);
    }
    const unsigned int blocks = blocks_for(threads);
    return launch(context.stream, blocks * static_cast<unsigned int>(count), kBlockThreads,
                  lookups_of(type_of(lookups_[first].table.weights), is_slotted(lookups_[first])),
                  descriptors_.as<DeviceLookup>() + first, to, context.input.ids, context.rows, blocks);
  }

  std::vector<Lookup> lookups_;
  DeviceBuffer descriptors_;
};

}  // namespace

DeviceKernelResult make_embedding(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 0, build.op->outputs.size()));
  const auto inputs = build.op->lists.find("idInputs");
  const auto pooling = build.op->lists.find("pooling");
  const size_t count = build.op->outputs.size();
  if (inputs == build.op->lists.end() || inputs->second.size() != count || pooling == build.op->lists.end() ||
      pooling->second.size() != count) {
    return cpu::invalid(build, "lists 'idInputs' and 'pooling' need one entry per output");
  }
  std::vector<Lookup> lookups;
  for (size_t i = 0; i < count; ++i) {
    PRERANK_ASSIGN_OR_RETURN(const Lookup lookup, lookup_of(build, i, inputs->second[i], pooling->second[i]));
    lookups.push_back(lookup);
  }
  return EmbeddingKernel::create(std::move(lookups));
}

}  // namespace prerank::cuda
