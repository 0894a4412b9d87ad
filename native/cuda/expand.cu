// Between the request and the row domain.
#include <algorithm>

#include "cuda/elementwise.h"
#include "cuda/ops.h"
#include "cuda/row_ranges.h"

namespace prerank::cuda {
namespace {

// y[r] = x[request[r]]
template <size_t kCount>
__global__ void gather_requests(Elements e, const uint32_t* request, Source x, Matrix y) {
  for (size_t row = e.share.first(); row < e.rows; row += e.share.step()) {
    const size_t from = request[row];
    for (size_t c = e.share.lane() * kCount; c < e.width; c += e.share.threads() * kCount) {
      store_pack(&y.at(row, c), x.load<kCount>(from, c));
    }
  }
}

struct RequestRows {
  const uint32_t* offsets;
  __device__ size_t first(size_t request) const { return offsets[request]; }
  __device__ size_t last(size_t request) const { return offsets[request + 1]; }
};

constexpr size_t kRowsPerSlice = 8;
constexpr unsigned int kMostSlices = 8;

}  // namespace

DeviceKernelResult make_expand(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 1, 1));
  if (build.segment_domain != Domain::kRow) return cpu::invalid(build, "belongs in a row segment");
  PRERANK_ASSIGN_OR_RETURN(const View x, cpu::input_view_of(build, 0, Domain::kRequest));
  PRERANK_ASSIGN_OR_RETURN(const View y, cpu::output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "the input", x.width, y.width));
  return make_device_kernel([=](const DeviceContext& context) -> Status {
    if (context.rows == 0) return {};
    const bool packs = views_take_packs(context, y.width, x, y);
    const Elements e = {context.rows, y.width, share_for(packs ? y.width / kWidePack : y.width, kBlockThreads)};
    return launch(context.stream, e.share.blocks(e.rows), kBlockThreads,
                  packs ? gather_requests<kWidePack> : gather_requests<1>, e, context.input.request_of_row,
                  source(x, context), matrix(y, context));
  });
}

DeviceKernelResult make_expand_grad(const DeviceBuild& build) {
  PRERANK_RETURN_IF_ERROR(cpu::check_arity(build, 1, 1));
  if (build.segment_domain != Domain::kRequest) return cpu::invalid(build, "belongs in a request segment");
  PRERANK_ASSIGN_OR_RETURN(const View dy, cpu::input_view_of(build, 0, Domain::kRow));
  PRERANK_ASSIGN_OR_RETURN(const View dx, cpu::output_view(build, 0));
  PRERANK_RETURN_IF_ERROR(cpu::check_width(build, "dY", dy.width, dx.width));
  return make_device_kernel([=](const DeviceContext& context) -> Status {
    if (context.rows == 0) return {};
    const RowRanges ranges = {.count = context.rows, .width = dx.width};
    const size_t slices = std::min<size_t>(context.batch_rows / context.rows / kRowsPerSlice, kMostSlices);
    return enqueue_row_ranges(context.stream, ranges, static_cast<unsigned int>(slices),
                              RequestRows{context.input.request_offsets}, dy.at(context), dy.stride,
                              matrix(dx, context));
  });
}

}  // namespace prerank::cuda
