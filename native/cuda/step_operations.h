// The prepared operations of a plan, in their order. The product for the gradient of a weight need not be done before
// the one for the gradient of its layer's input, which follows it and reads the same operand: its small result does not
// fill a device, so that it goes to a stream of its own beside the other, and both are awaited.
#pragma once

#include <memory>
#include <vector>

#include "cuda/device.h"
#include "cuda/kernel.h"
#include "cuda/linear_links.h"
#include "cuda/products.h"
#include "cuda/timeline.h"
#include "plan/batch_check.h"
#include "prerank/plan.h"

namespace prerank::cuda {

class StepOperations {
 public:
  // products, beside: with a workspace each, for the step's stream and for the one beside it.
  // cached: per Plan::tables, as DeviceBuild has them.
  static Result<StepOperations> create(const Plan& plan, const std::vector<TableView>& tables,
                                       const std::vector<const CachedTable*>& cached,
                                       const BatchLimits& limits, std::shared_ptr<const Products> products,
                                       std::shared_ptr<const Products> beside);

  // Launches all of them for the batch of `context`; one after the other with a timeline, which has their laps, numbered
  // from 0 in the plan's order.
  Status enqueue(DeviceContext context, Timeline* timeline) const;

  size_t bytes() const { return links_->bytes(); }

 private:
  struct Prepared {
    std::unique_ptr<DeviceKernel> kernel;
    bool beside_next = false;
  };
  struct Segment {
    Domain domain = Domain::kRow;
    std::vector<Prepared> operations;
  };

  Status enqueue_beside(const DeviceContext& context, const DeviceKernel& first, const DeviceKernel& second) const;

  std::shared_ptr<LinearLinks> links_;
  Stream beside_;
  Event forked_, joined_;
  std::vector<Segment> segments_;
};

}  // namespace prerank::cuda
