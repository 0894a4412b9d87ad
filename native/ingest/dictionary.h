// Values and their codes: base, base + 1, … in the order in which they came.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ingest/hyperloglog.h"
#include "ingest/kept_rows.h"
#include "prerank/ingest.h"
#include "prerank/status.h"

namespace prerank::ingest {

class Dictionary {
 public:
  // `base`: code of the first value.
  static std::unique_ptr<Dictionary> create(ValueType type, uint32_t base);
  virtual ~Dictionary() = default;

  // Adds known values (integers as decimal text). kInvalidArgument for one that is no integer or comes twice.
  virtual Status add(std::span<const std::string> values) = 0;

  // Codes of elements, none of them null; an unknown value gets the next code, and every element counts.
  // kOutOfRange above 2^32 − 2 values. `sketch` may be null.
  virtual Status learn(const Elements& elements, uint32_t* codes, HyperLogLog* sketch) = 0;
  // Codes of elements, none of them null; 0 for an unknown value (base must be above 0).
  virtual void find(const Elements& elements, uint32_t* codes, HyperLogLog* sketch) = 0;

  virtual ValueType type() const = 0;
  virtual size_t size() const = 0;
  virtual size_t bytes() const = 0;
  // How often value i was learnt, by order of coming.
  virtual std::vector<uint64_t> counts() const = 0;
};

}  // namespace prerank::ingest
