// What the products of linear layers leave for each other, so that no pass over the rows is needed in between: a layer
// with a ReLU writes which of its outputs the ReLU let pass, a bit each, and the product that makes the gradient of its
// output reads them; that product adds the rows of the gradient up, too, which is the gradient of the layer's bias.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

#include "cuda/device.h"
#include "cuda/products.h"
#include "plan/batch_check.h"
#include "prerank/plan.h"

namespace prerank::cuda {

class LinearLinks : public std::enable_shared_from_this<LinearLinks> {
 public:
  // Of what the step that is being enqueued has left. Enqueued in the plan's order, so that the host knows.
  struct Mask {
    ReluMask bits;
    bool written = false;
  };
  struct Sums {
    float* data = nullptr;  // [width of the gradient]
    bool written = false;
  };

  static Result<std::shared_ptr<LinearLinks>> create(const Plan& plan, const BatchLimits& limits);

  // Of the output of a layer with a ReLU; null where nothing would read it.
  std::shared_ptr<Mask> mask(int32_t output);
  // Of a gradient that a product makes and that a bias is trained by; null where there is none.
  std::shared_ptr<Sums> sums(int32_t gradient);
  size_t bytes() const { return memory_.bytes(); }

 private:
  std::map<int32_t, Mask> masks_;
  std::map<int32_t, Sums> sums_;
  DeviceBuffer memory_;
};

}  // namespace prerank::cuda
