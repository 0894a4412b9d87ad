#include "cuda/sparse_update.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/table_rounding.h"
#include "cuda/grow_buffer.h"
#include "cuda/pack.h"
#include "cuda/upload.h"

namespace prerank::cuda {
namespace {

static_assert(sizeof(TableChunks) % sizeof(uint64_t) == 0);

// Whether lanes can move four neighbouring columns of rows and states at once.
bool allows_vectors(const DeviceTable& table, bool rowwise) {
  const auto dim = static_cast<size_t>(table.dim);
  return rows_take_packs(static_cast<const float*>(address_of(table.weights)), dim) &&
         (rowwise || rows_take_packs(table.state0, dim)) && rows_take_packs(table.state1, dim);
}

// Of whole rows; those that are too wide are refused elsewhere.
uint32_t blocks_of_row(int64_t dim) {
  const auto fits = [dim](uint32_t blocks) { return int64_t{blocks} * kSliceColumns >= dim; };
  const auto found = std::ranges::find_if(kRowBlocks, fits);
  return found == kRowBlocks.end() ? kRowBlocks.back() : *found;
}

size_t divided_up(size_t a, size_t b) { return (a + b - 1) / b; }

}  // namespace

Result<SparseUpdate> SparseUpdate::create(const Plan& plan, std::span<const DeviceTable> tables,
                                          const SparseOptimizer& optimizer,
                                          std::span<const cpu::PooledGradient> gradients, size_t rows,
                                          size_t requests, const RowCache* cache) {
  SparseUpdate update;
  update.cache_ = CacheStep(cache);
  update.size_.kind = optimizer.kind;
  std::vector<PlanSparseGradient> lookups;
  std::vector<GradientRows> sources;
  for (const cpu::PooledGradient& gradient : gradients) sources.push_back({gradient.base, gradient.stride});
  for (const PlanSparseGradient& lookup : plan.sparse_gradients) {
    if (gradients[static_cast<size_t>(lookup.id_input)].base != nullptr) lookups.push_back(lookup);
  }
  PRERANK_RETURN_IF_ERROR(update.describe_tables(plan, tables, gradients, lookups));
  PRERANK_ASSIGN_OR_RETURN(update.index_, TableIndex::create(plan, lookups, rows, requests));
  for (size_t t = 0; t < tables.size(); ++t) update.tables_[t].first_key = update.index_.first_key(t);
  PRERANK_ASSIGN_OR_RETURN(update.device_tables_,
                           upload_array(std::span<const SparseTable>(update.tables_), "the update of tables"));
  PRERANK_ASSIGN_OR_RETURN(update.gradients_,
                           upload_array(std::span<const GradientRows>(sources), "the update of tables"));
  const std::vector<TableChunks> nothing(tables.size() + 1);
  PRERANK_ASSIGN_OR_RETURN(update.chunks_, upload_array(std::span<const TableChunks>(nothing), "the update of tables"));
  PRERANK_ASSIGN_OR_RETURN(const Stream stream, make_stream());
  PRERANK_RETURN_IF_ERROR(update.reserve(stream.get(), update.divide(update.index_.table_starts())));
  return update;
}

Status SparseUpdate::describe_tables(const Plan& plan, std::span<const DeviceTable> tables,
                                     std::span<const cpu::PooledGradient> gradients,
                                     std::span<const PlanSparseGradient> lookups) {
  const bool rowwise = size_.kind == SparseOptimizerKind::kRowwiseAdagrad;
  for (size_t t = 0; t < tables.size(); ++t) {
    const DeviceTable& table = tables[t];
    tables_.push_back({.rows = {address_of(table.weights), table.state0, table.state1},
                       .cached = table.cached,
                       .first_key = 0,
                       .stream = rounding_stream(plan.tables[t].name),
                       .dim = static_cast<uint32_t>(table.dim),
                       .lanes = row_lanes(table.dim),
                       .slices = rowwise ? 1 : static_cast<uint32_t>(divided_up(table.dim, kSliceColumns)),
                       .blocks = rowwise ? blocks_of_row(table.dim) : 1,
                       .type = type_of(table.weights),
                       .vector = allows_vectors(table, rowwise) ? 1u : 0u});
  }
  std::vector<bool> trained(tables.size(), false);
  for (const PlanSparseGradient& lookup : lookups) {
    const auto input = static_cast<size_t>(lookup.id_input);
    const auto t = static_cast<size_t>(plan.id_inputs[input].table);
    if (!rows_take_packs(gradients[input].base, gradients[input].stride)) tables_[t].vector = 0;
    trained[t] = true;
  }
  for (size_t t = 0; t < tables.size(); ++t) {
    if (!trained[t]) continue;
    const int64_t dim = tables[t].dim;
    if (dim > kMostColumns) {
      return {Code::kUnsupported, "table '" + plan.tables[t].name + "' has " + std::to_string(dim) +
                                      " columns: a GPU trains tables of " + std::to_string(kMostColumns) + " at most"};
    }
    const auto place = std::ranges::find(kRowBlocks, tables_[t].blocks) - kRowBlocks.begin();
    size_.tables[place][static_cast<size_t>(tables_[t].type)][tables_[t].vector] = true;
    trains_ = true;
  }
  return {};
}

SparseUpdate::Division SparseUpdate::divide(std::span<const size_t> table_starts) const {
  Division division;
  for (size_t t = 0; t <= tables_.size(); ++t) {
    division.tables.push_back({static_cast<uint32_t>(table_starts[t]), static_cast<uint32_t>(division.pieces),
                               static_cast<uint32_t>(division.warps), static_cast<uint32_t>(division.scans),
                               division.partial_floats});
    if (t == tables_.size()) break;
    const size_t entries = table_starts[t + 1] - table_starts[t], chunks = divided_up(entries, kChunkEntries);
    const SparseTable& table = tables_[t];
    if (table.cached != nullptr) division.scans += divided_up(entries, kScanEntries);
    division.pieces += chunks * table.slices;
    division.warps += divided_up(chunks, kMostLanes / table.lanes) * table.slices;
    division.partial_floats += chunks * 2 * (divided_up(table.dim, 4) * 4);
  }
  return division;
}

Status SparseUpdate::reserve(cudaStream_t stream, const Division& division) {
  constexpr const char* kWhat = "the update of tables";
  PRERANK_RETURN_IF_ERROR(grow_buffer<float>(stream, partials_, division.partial_floats, kWhat, generation_));
  PRERANK_RETURN_IF_ERROR(grow_buffer<double>(stream, norms_, division.pieces, kWhat, generation_));
  PRERANK_RETURN_IF_ERROR(
      grow_buffer<double>(stream, norm_parts_, divided_up(division.pieces, kNormPart), kWhat, generation_));
  PRERANK_RETURN_IF_ERROR(cache_.reserve(stream, division.scans, generation_));
  // Graphs launch as many blocks as the largest batch so far could use.
  size_.warps = std::max(size_.warps, division.warps);
  size_.pieces = std::max(size_.pieces, division.pieces);
  return {};
}

Status SparseUpdate::index(cudaStream_t stream, const DeviceBatch& batch, std::span<const size_t> ids, size_t rows,
                           size_t requests) {
  if (!trains_) return {};
  PRERANK_RETURN_IF_ERROR(index_.index(stream, batch, ids, rows, requests));
  const Division division = divide(index_.table_starts());
  PRERANK_RETURN_IF_ERROR(reserve(stream, division));
  std::vector<uint64_t> words(division.tables.size() * sizeof(TableChunks) / sizeof(uint64_t));
  std::memcpy(words.data(), division.tables.data(), division.tables.size() * sizeof(TableChunks));
  return enqueue_upload(stream, words, chunks_.as<uint64_t>());
}

SparsePass SparseUpdate::pass() const {
  SparsePass pass;
  pass.table = device_tables_.as<SparseTable>();
  pass.chunks = chunks_.as<TableChunks>();
  pass.tables = static_cast<uint32_t>(tables_.size());
  pass.entries = index_.entries();
  pass.gradients = gradients_.as<GradientRows>();
  pass.partials = partials_.as<float>();
  pass.norms = norms_.as<double>();
  return pass;
}

Status SparseUpdate::enqueue_cache(cudaStream_t stream) const {
  return trains_ ? cache_.enqueue(stream, pass()) : Status();
}

Status SparseUpdate::enqueue_norm(cudaStream_t stream, double* out) const {
  if (!trains_) {
    PRERANK_CUDA(cudaMemsetAsync(out, 0, sizeof(double), stream));
    return {};
  }
  PRERANK_RETURN_IF_ERROR(enqueue_chunk_norms(stream, size_, pass()));
  PRERANK_RETURN_IF_ERROR(enqueue_merge_norms(stream, size_, pass()));
  return enqueue_norm_sum(stream, size_, pass(), norm_parts_.as<double>(), out);
}

Status SparseUpdate::enqueue_update(cudaStream_t stream, const DeviceStep& step) const {
  if (!trains_) return {};
  SparsePass pass = this->pass();
  pass.numbers = step.numbers;
  pass.result = step.result;
  PRERANK_RETURN_IF_ERROR(enqueue_chunks(stream, size_, pass));
  return enqueue_merge(stream, size_, pass);
}

size_t SparseUpdate::bytes() const {
  size_t bytes = index_.bytes() + cache_.bytes();
  for (const DeviceBuffer* const buffer : {&device_tables_, &gradients_, &chunks_, &partials_, &norms_, &norm_parts_}) {
    bytes += buffer->bytes();
  }
  return bytes;
}

}  // namespace prerank::cuda
