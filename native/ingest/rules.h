// Rules between the roles of one row: which row may train which task.
#pragma once

#include <span>

#include "ingest/number_encoder.h"
#include "ingest/verdict.h"

namespace prerank::ingest {

// The number columns that have a role; null where the log has none.
struct RoleColumns {
  const NumberEncoder* impression = nullptr;
  const NumberEncoder* ctr_traffic = nullptr;
  const NumberEncoder* click = nullptr;
  const NumberEncoder* conversion = nullptr;
  const NumberEncoder* stage = nullptr;
  const NumberEncoder* weight = nullptr;

  static RoleColumns of(std::span<const NumberEncoder> numbers);
};

// Rejects rows of the block judged last whose roles contradict each other: a click or a conversion where the ad was not
// shown; an impression in CTR traffic without a click label. Without the role `impression` every row was shown, without
// `ctr_traffic` every row is CTR traffic.
void check_roles(const RoleColumns& roles, Verdict& verdict);

}  // namespace prerank::ingest
