// Id roles: requests numbered inside the batch, users and ads through a dictionary. Null rejects the row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "ingest/batch_encoder.h"
#include "ingest/dictionary.h"
#include "ingest/kept_rows.h"
#include "ingest/output_buffer.h"
#include "ingest/verdict.h"
#include "prerank/ingest.h"
#include "prerank/status.h"

namespace prerank::ingest {

class CodeEncoder {
 public:
  // `dictionary`: where the dictionary of users or ads is made when the first row shows its type; null for requests.
  CodeEncoder(const CodeColumn& column, std::unique_ptr<Dictionary>* dictionary)
      : column_(column), dictionary_(dictionary) {}

  // kInvalidArgument when the input is neither integers nor strings, or not what it was before.
  Status judge(const RowBlock& block, Verdict& verdict);
  // `requests`: of the open batch before this block.
  Status append(const KeptRows& kept, size_t requests);

  ColumnData data() const { return {codes_.data(), codes_.size(), nullptr}; }
  size_t bytes() const { return codes_.bytes(); }
  void clear() { codes_.clear(); }

 private:
  Status check_type(Physical found);

  CodeColumn column_;
  std::unique_ptr<Dictionary>* dictionary_;
  OutputBuffer<uint32_t> codes_;
};

}  // namespace prerank::ingest
