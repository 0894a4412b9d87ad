/** Where a log comes from: paths and queries of a source as they are read. */
import { readFileSync } from 'node:fs';
import { absolutePath } from './paths.js';
import type { Report } from './problems.js';
import type { ParsedConfig } from './schema.js';
import type { SourceConfig, SqlSource } from './types.js';

/** The query of an SQL source; a line of its own for what is put after it, since a file may end in a comment. */
function resolveSql(source: { sql: string } | { file: string }, where: string | undefined): string {
  const text = 'file' in source ? readFileSync(source.file, 'utf8') : source.sql;
  const query = text.trim().replace(/;$/, '');
  if (where !== undefined) return `SELECT * FROM (\n${query}\n) WHERE ${where}`;
  return 'file' in source ? `SELECT * FROM (\n${query}\n)` : source.sql;
}

type TableFiles = Readonly<Record<string, string | readonly string[]>>;

/** The files of the tables that an SQL source names. SQL does not tell upper from lower case, so neither may two names. */
function resolveTables(files: TableFiles, directory: string, report: Report): NonNullable<SqlSource['files']> {
  const names = new Map<string, string>();
  for (const name of Object.keys(files)) {
    const other = names.get(name.toLowerCase());
    if (other !== undefined) report(['files', name], `the same name as "${other}" to SQL: rename one of the tables`);
    names.set(name.toLowerCase(), name);
  }
  return Object.fromEntries(
    Object.entries(files).map(([name, paths]) => [
      name,
      (typeof paths === 'string' ? [paths] : paths).map((path) => absolutePath(path, directory)),
    ]),
  );
}

export function resolveSource(
  source: ParsedConfig['data']['train'],
  configDirectory: string,
  report: Report,
): SourceConfig | undefined {
  if (source === undefined) return undefined;
  if (typeof source === 'string') return [source];
  if (Array.isArray(source)) return source;
  let sql = '';
  try {
    sql = resolveSql(source, source.where);
  } catch (cause) {
    report([], `cannot read the SQL: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
  const { directory = configDirectory, files } = source;
  return { sql, directory, ...(files && { files: resolveTables(files, directory, report) }) };
}
