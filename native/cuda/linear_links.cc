#include "cuda/linear_links.h"

#include <vector>

namespace prerank::cuda {
namespace {

constexpr size_t kPiece = 256;  // bytes: pieces are aligned as whole allocations are

size_t rounded_up(size_t n, size_t multiple) { return (n + multiple - 1) / multiple * multiple; }

bool is_relu_layer(const Plan& plan, int32_t output) {
  for (const PlanSegment& segment : plan.segments) {
    for (const PlanOp& op : segment.ops) {
      if (op.kind != "linear" || op.outputs.empty() || op.outputs[0] != output) continue;
      const auto activation = op.strings.find("activation");
      if (activation != op.strings.end() && activation->second == "relu") return true;
    }
  }
  return false;
}

bool trains_bias(const Plan& plan, int32_t gradient) {
  for (const PlanSegment& segment : plan.segments) {
    for (const PlanOp& op : segment.ops) {
      if (op.kind == "linear.dw" && op.outputs.size() == 2 && op.inputs[0] == gradient) return true;
    }
  }
  return false;
}

}  // namespace

Result<std::shared_ptr<LinearLinks>> LinearLinks::create(const Plan& plan, const BatchLimits& limits) {
  auto links = std::make_shared<LinearLinks>();
  size_t bytes = 0;
  const auto place = [&bytes](size_t piece) {
    const size_t offset = bytes;
    bytes += rounded_up(piece, kPiece);
    return offset;
  };
  std::map<int32_t, size_t> mask_offsets, sum_offsets;
  for (const PlanSegment& segment : plan.segments) {
    for (const PlanOp& op : segment.ops) {
      if (op.kind != "linear.dx" || op.inputs.size() != 3 || op.outputs.empty()) continue;
      const int32_t output = op.inputs[2], gradient = op.outputs[0];
      const PlanValue& value = plan.values[static_cast<size_t>(output)];
      if (value.domain == Domain::kNone || !is_relu_layer(plan, output)) continue;
      const auto width = static_cast<size_t>(value.width);
      const size_t rows = value.domain == Domain::kRequest ? limits.requests : limits.rows;
      Mask& mask = links->masks_[output];
      if (mask.bits.stride == 0) {
        mask.bits.stride = rounded_up(width, ReluMask::kStep);
        mask_offsets[output] = place(rows * mask.bits.stride / 8);
      }
      if (!trains_bias(plan, gradient)) continue;
      links->sums_[gradient] = {};
      sum_offsets[gradient] = place(width * sizeof(float));
    }
  }
  PRERANK_ASSIGN_OR_RETURN(links->memory_, DeviceBuffer::allocate(bytes, "the masks of ReLUs"));
  for (const auto& [output, offset] : mask_offsets) {
    links->masks_[output].bits.data = links->memory_.as<uint8_t>() + offset;
  }
  for (const auto& [gradient, offset] : sum_offsets) {
    links->sums_[gradient].data = reinterpret_cast<float*>(links->memory_.as<uint8_t>() + offset);
  }
  return links;
}

std::shared_ptr<LinearLinks::Mask> LinearLinks::mask(int32_t output) {
  const auto found = masks_.find(output);
  return found == masks_.end() ? nullptr : std::shared_ptr<Mask>(shared_from_this(), &found->second);
}

std::shared_ptr<LinearLinks::Sums> LinearLinks::sums(int32_t gradient) {
  const auto found = sums_.find(gradient);
  return found == sums_.end() ? nullptr : std::shared_ptr<Sums>(shared_from_this(), &found->second);
}

}  // namespace prerank::cuda
