// The FlatBuffers of an Arrow IPC file: schema message, record batch messages, footer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "arrow/file_writer.h"
#include "arrow/format.h"

namespace prerank::arrow {

inline bool holds_lists(ColumnType type) { return type == ColumnType::kListUint32 || type == ColumnType::kListFloat32; }

using KeyValues = std::vector<std::pair<std::string, std::string>>;

std::vector<std::byte> schema_message(std::span<const FileColumn> columns, const KeyValues& metadata);
std::vector<std::byte> record_batch_message(int64_t rows, std::span<const FieldNode> nodes,
                                            std::span<const BufferRange> buffers, int64_t body_length);
std::vector<std::byte> footer(std::span<const FileColumn> columns, const KeyValues& metadata,
                              std::span<const Block> record_batches);

}  // namespace prerank::arrow
