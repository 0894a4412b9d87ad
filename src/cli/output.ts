/** What a command says: one JSON object on stdout with --json, else text there; everything else on stderr. */
import { type ErrorWhere, PrerankError } from '../base/errors.js';

export const EXIT = { success: 0, failure: 1, usage: 2, interrupted: 130 } as const;

/** Options that every command has. */
export interface CommonOptions {
  readonly json?: boolean;
  readonly verbose?: boolean;
}

/** Prints a command's result. */
export function printResult(options: CommonOptions, value: unknown, text: () => string): void {
  process.stdout.write(options.json ? `${JSON.stringify(value, null, 2)}\n` : `${text()}\n`);
}

/** `file logs/a.parquet, row 3, column click` */
function formatWhere({ file, row, column, path }: ErrorWhere): string {
  const parts = [
    file === undefined ? null : `file ${file}`,
    row === undefined ? null : `row ${row}`,
    column === undefined ? null : `column ${column}`,
    path === undefined ? null : `config ${path}`,
  ];
  return parts.filter((part) => part !== null).join(', ');
}

/** `error [CODE]: message`, then where; the stack of an unexpected error only when `verbose`. */
export function formatError(error: unknown, verbose: boolean): string {
  if (error instanceof PrerankError) {
    const where = formatWhere(error.where);
    return `error [${error.code}]: ${error.message}${where === '' ? '' : `\n  where: ${where}`}`;
  }
  const unexpected = error instanceof Error ? error : new Error(String(error));
  const hint = verbose ? `\n${unexpected.stack ?? ''}` : ' (--verbose shows where)';
  return `error [INTERNAL]: ${unexpected.message}${hint}`;
}

/** Reports an error on stderr, with --json also as an object on stdout; returns the exit code. */
export function reportError(error: unknown, options: CommonOptions): number {
  process.stderr.write(`${formatError(error, options.verbose ?? false)}\n`);
  const known = error instanceof PrerankError ? error : null;
  if (options.json) {
    const { code, message, where } = known ?? { code: 'INTERNAL', message: String(error), where: {} };
    process.stdout.write(`${JSON.stringify({ error: { code, message, where } }, null, 2)}\n`);
  }
  if (known?.code === 'CANCELLED') {
    return EXIT.interrupted;
  }
  return known?.isInputError ? EXIT.usage : EXIT.failure;
}
