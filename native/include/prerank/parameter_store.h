// Parameters and optimizer state, shared by every program of one model.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "prerank/status.h"
#include "prerank/table_weights.h"

namespace prerank {

enum class InitKind : uint8_t { kZero, kConstant, kUniform, kNormal };

// uniform: [-scale, scale); normal: standard deviation scale; constant: scale.
struct Init {
  InitKind kind = InitKind::kZero;
  double scale = 0;
};

struct ParameterSpec {
  std::string name;            // also the tensor's name in model.safetensors
  std::vector<int64_t> shape;  // PyTorch layout
  Init init;
  bool table = false;  // an embedding table [rows, dim]: updated sparsely
  bool host = false;   // a table that stays in the host's memory, where a GPU reads and writes its rows
};

enum class SparseOptimizerKind : uint8_t { kSgd, kAdagrad, kRowwiseAdagrad, kAdam };
enum class DenseOptimizerKind : uint8_t { kSgd, kAdagrad, kAdam, kAdamW };

// Learning rates are given per step (StepOptions), already scheduled.
struct SparseOptimizer {
  SparseOptimizerKind kind = SparseOptimizerKind::kRowwiseAdagrad;
  double beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-8;
  double initial_accumulator = 0;
  double l2 = 0;  // lambda/2 * |w|^2 of the rows looked up in the step: g += l2 * w
};

struct DenseOptimizer {
  DenseOptimizerKind kind = DenseOptimizerKind::kAdam;
  double momentum = 0;
  double beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-8;
  double initial_accumulator = 0;
  double l2 = 0;            // g += l2 * w (not AdamW)
  double weight_decay = 0;  // AdamW: w -= lr * weight_decay * w
};

// How matrices are multiplied: as they are, or rounded to what the tensor cores of a GPU, or with bfloat16 some CPUs, take
// (10 or 7 bits of mantissa), with sums in float32 all the same.
enum class MatmulPrecision : uint8_t { kFloat32, kTf32, kBfloat16 };

// Where the programs of a store run. The CPU knows float32 and bfloat16, and has nothing to tune.
struct Device {
  int cuda = -1;  // number of a CUDA device; -1: the CPU
  MatmulPrecision matmul = MatmulPrecision::kFloat32;
  bool autotune = false;  // programs that train time the algorithms of their products
  // Bytes of a GPU's memory for rows of tables in the host's memory. 0: none; nothing: what the first program that trains
  // leaves free, as far as these tables need it.
  std::optional<size_t> table_cache;
};

// A named tensor of the store: a parameter, or one of its optimizer state slots. Tables of 16 bits and lazy ones give no
// data.
struct Slot {
  std::string name;  // parameter: its name. state: "<parameter>.<slot>", slot in {momentum, accumulator, m, v}
  std::vector<int64_t> shape;
  std::span<float> data;
};

// Where a store's tensors are once programs of another device train them. Any thread may call, while no program works.
class ParameterMirror {
 public:
  virtual ~ParameterMirror() = default;
  // A parameter, or one of its state slots, as float32; spans have the tensor's length.
  virtual Status read(size_t parameter, std::optional<size_t> slot, std::span<float> into) const = 0;
  virtual Status write(size_t parameter, std::optional<size_t> slot, std::span<const float> values) = 0;
  virtual size_t bytes() const = 0;
};

class ParameterStore {
 public:
  struct Options {
    std::vector<ParameterSpec> parameters;
    SparseOptimizer sparse;
    DenseOptimizer dense;
    TableType table_type = TableType::kFloat32;
    Device device;
    bool training = true;  // false: no optimizer state
    size_t eager_bytes = 0;  // the tables of a larger store are lazy. 0: half the memory
    uint64_t seed = 1;     // element e of parameter p is drawn from Philox(seed, hash(name), e): independent of order
  };

  static Result<std::shared_ptr<ParameterStore>> create(Options options);
  virtual ~ParameterStore() = default;

  virtual const Options& options() const = 0;
  // Index of a parameter by name, or kNotFound.
  virtual Result<size_t> find(const std::string& name) const = 0;
  // A lazy table's hold a row in each slot that touch() has given away, nothing in slot 0, and have room for one slot more
  // than the shape has rows. Empty for a table of 16 bits.
  virtual std::span<float> weights(size_t parameter) = 0;
  // As weights(), of any type.
  virtual TableWeights table_weights(size_t parameter) = 0;
  virtual std::span<const int64_t> shape(size_t parameter) const = 0;
  // Optimizer state of a parameter in the order momentum | accumulator | m, v; empty spans where unused. By slot as weights.
  virtual std::span<float> state(size_t parameter, size_t slot) = 0;
  // Goes up with every change of a parameter: by write(), and by changed() of whoever writes into weights().
  virtual uint64_t version() const = 0;
  virtual void changed() = 0;
  // Whether rows of this table have slots: each is drawn, weights and state, when it is first touched, and lies in the next
  // free slot. Values do not depend on it.
  virtual bool lazy(size_t parameter) const = 0;
  // Slots of these rows of a lazy table, as many; from now on each of them has one. One thread a table at a time.
  virtual void touch(size_t parameter, std::span<const uint32_t> rows, std::span<uint32_t> slots) = 0;
  // Hands everything over to a mirror that holds the same values: read() and write() go there from now on, and the store's
  // own memory is given back (weights() and state() are empty). Once at most.
  virtual void move_to(std::shared_ptr<ParameterMirror> mirror) = 0;
  // Null while the tensors are in the store's own memory.
  virtual const std::shared_ptr<ParameterMirror>& mirror() const = 0;
  // Copies a parameter or (by the name of its slot) optimizer state; rows that were not drawn are drawn into the copy
  // only. kNotFound.
  virtual Result<std::vector<float>> read(const std::string& name) const = 0;
  // Overwrites one. kNotFound, kInvalidArgument for another length.
  virtual Status write(const std::string& name, std::span<const float> values) = 0;
  // Every parameter, then (states) every optimizer slot.
  virtual std::vector<Slot> parameter_slots() = 0;
  virtual std::vector<Slot> state_slots() = 0;
  virtual size_t bytes() const = 0;
};

}  // namespace prerank
