// Numbers of the Arrow IPC format (version 5), shared by writer and reader. Sources: Arrow columnar format,
// "Serialization and Interprocess Communication"; File.fbs, Message.fbs and Schema.fbs of Arrow 1.0 and later.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace prerank::arrow {

inline constexpr std::string_view kMagic = "ARROW1";
inline constexpr uint32_t kContinuation = 0xFFFFFFFF;  // begins every message

inline constexpr int16_t kMetadataV4 = 3;
inline constexpr int16_t kMetadataV5 = 4;

enum class HeaderType : uint8_t { kNone = 0, kSchema = 1, kDictionaryBatch = 2, kRecordBatch = 3 };

enum class TypeCode : uint8_t {
  kNone = 0,
  kNull = 1,
  kInt = 2,
  kFloatingPoint = 3,
  kBinary = 4,
  kUtf8 = 5,
  kBool = 6,
  kDecimal = 7,
  kDate = 8,
  kTime = 9,
  kTimestamp = 10,
  kInterval = 11,
  kList = 12,
  kStruct = 13,
  kUnion = 14,
  kFixedSizeBinary = 15,
  kFixedSizeList = 16,
  kMap = 17,
  kDuration = 18,
  kLargeBinary = 19,
  kLargeUtf8 = 20,
  kLargeList = 21,
  kRunEndEncoded = 22,
  kBinaryView = 23,
  kUtf8View = 24,
  kListView = 25,
  kLargeListView = 26,
};

// Structs inside FlatBuffers vectors.
struct FieldNode {
  int64_t length;
  int64_t null_count;
};
struct BufferRange {
  int64_t offset;  // from the beginning of the body
  int64_t length;
};
struct Block {
  int64_t offset;            // of a message in the file
  int32_t metadata_length;   // prefix, metadata and padding
  int32_t reserved;
  int64_t body_length;
};
static_assert(sizeof(FieldNode) == 16 && sizeof(BufferRange) == 16 && sizeof(Block) == 24);

// Fields of the FlatBuffers tables.
namespace slot {
inline constexpr size_t kMessageVersion = 0, kMessageHeaderType = 1, kMessageHeader = 2, kMessageBodyLength = 3;
inline constexpr size_t kFooterVersion = 0, kFooterSchema = 1, kFooterDictionaries = 2, kFooterRecordBatches = 3;
inline constexpr size_t kSchemaEndianness = 0, kSchemaFields = 1, kSchemaMetadata = 2;
inline constexpr size_t kKeyValueKey = 0, kKeyValueValue = 1;
inline constexpr size_t kFieldName = 0, kFieldNullable = 1, kFieldTypeCode = 2, kFieldType = 3, kFieldDictionary = 4,
                        kFieldChildren = 5;
inline constexpr size_t kIntBitWidth = 0, kIntSigned = 1;
inline constexpr size_t kFloatPrecision = 0;
inline constexpr size_t kDecimalPrecision = 0, kDecimalScale = 1, kDecimalBitWidth = 2;
inline constexpr size_t kUnit = 0;  // of dates, times and timestamps
inline constexpr size_t kTimeBitWidth = 1;
inline constexpr size_t kTimestampZone = 1;
inline constexpr size_t kListSize = 0;
inline constexpr size_t kUnionMode = 0;
inline constexpr size_t kEncodingId = 0, kEncodingIndexType = 1;
inline constexpr size_t kDictionaryId = 0, kDictionaryData = 1, kDictionaryIsDelta = 2;
inline constexpr size_t kCompressionCodec = 0, kCompressionMethod = 1;
inline constexpr size_t kBatchLength = 0, kBatchNodes = 1, kBatchBuffers = 2, kBatchCompression = 3,
                        kBatchVariadicCounts = 4;
}  // namespace slot

inline constexpr int8_t kCodecLz4Frame = 0, kCodecZstd = 1;

// Precisions of floating point numbers.
inline constexpr int16_t kHalf = 0, kSingle = 1, kDouble = 2;

}  // namespace prerank::arrow
