/**
 * The one error type of the library. `code` is stable; the message says what was wrong, where
 * (file, row, column, config path) and what to do.
 */
export type ErrorCode =
  | 'CONFIG_INVALID'
  | 'USAGE'
  | 'DATA_NOT_FOUND'
  | 'DATA_INVALID'
  | 'DATA_EMPTY'
  | 'COLUMN_MISSING'
  | 'COLUMN_TYPE'
  | 'TOO_MANY_BAD_ROWS'
  | 'DATASET_CHANGED'
  | 'DATASET_CORRUPT'
  | 'CHECKPOINT_INVALID'
  | 'CHECKPOINT_MISMATCH'
  | 'RUN_NOT_FOUND'
  | 'RUN_EXISTS'
  | 'NON_FINITE'
  | 'METRIC_INPUT'
  | 'GRAPH_INVALID'
  | 'ADDON_NOT_BUILT'
  | 'DEVICE_UNAVAILABLE'
  | 'UNSUPPORTED'
  | 'INVALID_ARGUMENT'
  | 'OUT_OF_RANGE'
  | 'NOT_FOUND'
  | 'IO_ERROR'
  | 'OUT_OF_MEMORY'
  | 'CANCELLED'
  | 'INTERNAL';

/** Codes that mean wrong usage or bad input: the command line exits with 2. */
const INPUT_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'CONFIG_INVALID',
  'USAGE',
  'DATA_NOT_FOUND',
  'DATA_INVALID',
  'DATA_EMPTY',
  'COLUMN_MISSING',
  'COLUMN_TYPE',
  'TOO_MANY_BAD_ROWS',
  'DATASET_CHANGED',
  'DATASET_CORRUPT',
  'CHECKPOINT_INVALID',
  'CHECKPOINT_MISMATCH',
  'RUN_NOT_FOUND',
  'RUN_EXISTS',
  'METRIC_INPUT',
  'GRAPH_INVALID',
  'UNSUPPORTED',
  'INVALID_ARGUMENT',
  'OUT_OF_RANGE',
  'NOT_FOUND',
]);

/** Where an error was found. */
export interface ErrorWhere {
  readonly file?: string;
  readonly row?: number;
  readonly column?: string;
  readonly path?: string;
}

export class PrerankError extends Error {
  readonly code: ErrorCode;
  readonly where: ErrorWhere;

  constructor(code: ErrorCode, message: string, where: ErrorWhere = {}, options?: ErrorOptions) {
    super(message, options);
    this.name = 'PrerankError';
    this.code = code;
    this.where = where;
  }

  /** True when the input or the usage is at fault, not the program. */
  get isInputError(): boolean {
    return INPUT_CODES.has(this.code);
  }
}
