#include "cuda/table_index.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <string>

#include "cuda/upload.h"

namespace prerank::cuda {
namespace {

constexpr size_t kMostEntries = std::numeric_limits<int32_t>::max();

int bits_below(uint64_t end) { return end < 2 ? 0 : static_cast<int>(std::bit_width(end - 1)); }

size_t bags_of(Domain domain, size_t rows, size_t requests) { return domain == Domain::kRequest ? requests : rows; }

}  // namespace

Result<TableIndex> TableIndex::create(const Plan& plan, std::span<const PlanSparseGradient> trained, size_t rows,
                                      size_t requests) {
  TableIndex index;
  index.rows_ = rows;
  index.requests_ = requests;
  std::vector<PlanSparseGradient> ordered(trained.begin(), trained.end());
  std::ranges::sort(ordered, {}, &PlanSparseGradient::id_input);
  PRERANK_RETURN_IF_ERROR(index.lay_out(plan, ordered));
  PRERANK_RETURN_IF_ERROR(index.upload_inputs(plan, ordered));
  std::vector<size_t> ids(plan.id_inputs.size());
  for (const Input& input : index.inputs_) ids[input.id_input] = bags_of(input.domain, rows, requests);
  const std::vector<uint64_t> first_entries = index.count_entries(ids);
  PRERANK_ASSIGN_OR_RETURN(const Stream stream, make_stream());
  PRERANK_RETURN_IF_ERROR(index.reserve(stream.get(), first_entries[0]));
  return index;
}

// Numbers the rows of trained tables, and chooses how wide keys and sources must be.
Status TableIndex::lay_out(const Plan& plan, std::span<const PlanSparseGradient> trained) {
  std::vector<bool> has_gradient(plan.tables.size(), false);
  for (const PlanSparseGradient& gradient : trained) {
    const auto id_input = static_cast<size_t>(gradient.id_input);
    const PlanIdInput& input = plan.id_inputs[id_input];
    inputs_.push_back({id_input, static_cast<size_t>(input.table), input.multi, input.domain});
    has_gradient[inputs_.back().table] = true;
    lists_ = lists_ || input.multi;
    shape_.weighted = shape_.weighted || (input.multi && (input.weighted || gradient.pooling == Pooling::kMean));
  }
  uint64_t rows = 0;
  for (size_t t = 0; t < plan.tables.size(); ++t) {
    first_keys_.push_back(rows);
    if (has_gradient[t]) rows += static_cast<uint64_t>(plan.tables[t].rows);
  }
  table_starts_.assign(plan.tables.size() + 1, 0);
  shape_.key_bits = std::max(1, bits_below(rows));
  shape_.wide = shape_.key_bits > 32;
  shape_.bag_bits = bits_below(std::max(rows_, requests_));
  if (shape_.bag_bits + bits_below(plan.id_inputs.size()) > 32) {
    return {Code::kUnsupported, "a batch of " + std::to_string(std::max(rows_, requests_)) + " rows with " +
                                    std::to_string(plan.id_inputs.size()) +
                                    " id inputs: a GPU trains on 2^32 bags, of all inputs together, at most"};
  }
  return {};
}

Status TableIndex::upload_inputs(const Plan& plan, std::span<const PlanSparseGradient> trained) {
  std::vector<IndexedInput> inputs;
  for (const PlanSparseGradient& gradient : trained) {
    const PlanIdInput& input = plan.id_inputs[static_cast<size_t>(gradient.id_input)];
    inputs.push_back({first_keys_[static_cast<size_t>(input.table)], static_cast<uint32_t>(gradient.id_input),
                      input.multi ? 1u : 0u, gradient.pooling == Pooling::kMean ? 1u : 0u,
                      input.domain == Domain::kRequest ? 1u : 0u});
  }
  PRERANK_ASSIGN_OR_RETURN(words_, DeviceBuffer::allocate((inputs.size() + 1) * sizeof(uint64_t), "a table index"));
  PRERANK_ASSIGN_OR_RETURN(device_inputs_, upload_array(std::span<const IndexedInput>(inputs), "a table index"));
  return {};
}

// The number of entries, then the first of each input; sets table_starts_, too.
std::vector<uint64_t> TableIndex::count_entries(std::span<const size_t> ids) {
  std::vector<uint64_t> words = {0};
  std::fill(table_starts_.begin(), table_starts_.end(), size_t{0});
  for (const Input& input : inputs_) {
    words.push_back(words[0]);
    words[0] += ids[input.id_input];
    table_starts_[input.table + 1] += ids[input.id_input];
  }
  for (size_t t = 0; t + 1 < table_starts_.size(); ++t) table_starts_[t + 1] += table_starts_[t];
  return words;
}

Status TableIndex::reserve(cudaStream_t stream, size_t count) {
  if (count > kMostEntries) return {Code::kUnsupported, "a batch has more than 2^31 - 1 ids of trained tables"};
  if (count > capacity_) {
    // What was launched before may still use the old memory.
    PRERANK_CUDA(cudaStreamSynchronize(stream));
    const size_t grown = std::min(kMostEntries, std::max(count, capacity_ + capacity_ / 2));
    capacity_ = 0;
    ++generation_;
    for (DeviceBuffer* const buffer : {&keys_, &sorted_keys_}) {
      *buffer = DeviceBuffer();
      PRERANK_ASSIGN_OR_RETURN(*buffer,
                               DeviceBuffer::allocate(grown * shape_.key_bytes(), "the table index of a batch"));
    }
    for (DeviceBuffer* const buffer : {&sources_, &sorted_sources_}) {
      *buffer = DeviceBuffer();
      PRERANK_ASSIGN_OR_RETURN(*buffer,
                               DeviceBuffer::allocate(grown * shape_.source_bytes(), "the table index of a batch"));
    }
    capacity_ = grown;
    PRERANK_RETURN_IF_ERROR(reserve_sort(stream, static_cast<uint32_t>(grown)));
  }
  return reserve_sort(stream, static_cast<uint32_t>(count));
}

// What the sort needs need not grow with the number of entries; its address is in no graph.
Status TableIndex::reserve_sort(cudaStream_t stream, uint32_t count) {
  PRERANK_ASSIGN_OR_RETURN(const size_t bytes, sort_bytes(shape_, count));
  if (bytes <= temporary_.bytes()) return {};
  PRERANK_CUDA(cudaStreamSynchronize(stream));
  temporary_ = DeviceBuffer();
  PRERANK_ASSIGN_OR_RETURN(temporary_, DeviceBuffer::allocate(bytes, "sorting the ids of a batch"));
  return {};
}

Status TableIndex::index(cudaStream_t stream, const DeviceBatch& batch, std::span<const size_t> ids, size_t rows,
                         size_t requests) {
  if (rows > rows_ || requests > requests_) {
    return {Code::kInvalidArgument, "a batch of " + std::to_string(rows) + " rows and " + std::to_string(requests) +
                                        " requests is larger than the program's"};
  }
  for (const Input& input : inputs_) {
    const size_t count = ids[input.id_input];
    if (input.multi || count == bags_of(input.domain, rows, requests)) continue;
    return {Code::kInvalidArgument,
            "id input " + std::to_string(input.id_input) + " has " + std::to_string(count) + " ids, not one a row"};
  }
  const std::vector<uint64_t> words = count_entries(ids);
  PRERANK_RETURN_IF_ERROR(reserve(stream, words[0]));
  PRERANK_RETURN_IF_ERROR(enqueue_upload(stream, words, words_.as<uint64_t>()));
  const ListedIds listed = {
      device_inputs_.as<IndexedInput>(), inputs_.size(), words_.as<uint64_t>() + 1, batch.ids, rows, requests, lists_};
  PRERANK_RETURN_IF_ERROR(enqueue_list(stream, shape_, listed, buffers()));
  return enqueue_sort(stream, shape_, static_cast<uint32_t>(words[0]), buffers(), temporary_.as<void>(),
                      temporary_.bytes());
}

EntryBuffers TableIndex::buffers() const {
  return {keys_.as<void>(), sources_.as<void>(), sorted_keys_.as<void>(), sorted_sources_.as<void>()};
}

SortedEntries TableIndex::entries() const {
  SortedEntries entries;
  if (shape_.wide) {
    entries.wide_keys = sorted_keys_.as<uint64_t>();
  } else {
    entries.narrow_keys = sorted_keys_.as<uint32_t>();
  }
  if (shape_.weighted) {
    entries.weighted = sorted_sources_.as<WeightedSource>();
  } else {
    entries.sources = sorted_sources_.as<uint32_t>();
  }
  entries.bag_bits = shape_.bag_bits;
  return entries;
}

size_t TableIndex::bytes() const {
  size_t bytes = 0;
  for (const DeviceBuffer* const buffer :
       {&device_inputs_, &words_, &keys_, &sources_, &sorted_keys_, &sorted_sources_, &temporary_}) {
    bytes += buffer->bytes();
  }
  return bytes;
}

}  // namespace prerank::cuda
