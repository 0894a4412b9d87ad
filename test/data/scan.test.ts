import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { SplitConfig } from '../../src/config/types.js';
import { Log } from '../../src/data/log.js';
import { ROW_COLUMN } from '../../src/data/log-columns.js';
import { cutRowGroups, LEAST_PART_ROWS, PART_ROWS, ParquetScan, type Scan } from '../../src/data/scan.js';
import { Selection } from '../../src/data/selection.js';
import { splitCondition } from '../../src/data/split.js';
import { stageLog, stageSorted } from '../../src/data/staging.js';
import { configOf, type DataInput, prerankError, temporaryFolder, writeLog } from './support/logs.js';

function selectionOf(...expressions: readonly string[]): Selection {
  const selection = new Selection();
  for (const sql of expressions) selection.add(sql);
  return selection;
}

/** The rows of all parts, in order, as [...expressions, row, file]. */
async function readParts(log: Log, scan: Scan, expressions: readonly string[]): Promise<unknown[][]> {
  const rows: unknown[][] = [];
  for (const { queries } of scan.parts(expressions)) {
    for (const { sql, origin } of queries) {
      const found = await log.database.rows(sql);
      for (const row of found) rows.push(scan.hasOriginColumn ? row : [...row, origin]);
    }
  }
  return rows;
}

describe('cutRowGroups', () => {
  it('joins whole row groups of one or more files up to the size of a part', () => {
    const half = PART_ROWS / 2;
    const rest = Array.from({ length: 20 }, () => PART_ROWS);
    const [first, second, third] = cutRowGroups([[half, half, half], [10, 0, 5], [PART_ROWS + 7], rest]);
    assert.deepEqual(first, { rows: PART_ROWS, runs: [{ file: 0, from: 0, to: PART_ROWS }] });
    assert.deepEqual(second, {
      rows: half + 15 + PART_ROWS + 7,
      runs: [
        { file: 0, from: PART_ROWS, to: PART_ROWS + half },
        { file: 1, from: 0, to: 15 },
        { file: 2, from: 0, to: PART_ROWS + 7 },
      ],
    });
    assert.deepEqual(third, { rows: PART_ROWS, runs: [{ file: 3, from: 0, to: PART_ROWS }] });
  });

  it('makes parts smaller towards the end of the log, each row in one of them', () => {
    const groups = Array.from({ length: 48 }, () => LEAST_PART_ROWS);
    const parts = cutRowGroups([groups]).map(({ rows }) => rows / LEAST_PART_ROWS);
    assert.deepEqual(parts, [8, 7, 6, 5, 4, 3, 3, 2, 2, 2, 1, 1, 1, 1, 1, 1]);
    assert.deepEqual(
      cutRowGroups([[100, 100], [100]]).map(({ rows }) => rows),
      [300],
    );
  });

  it('leaves out what is empty', () => {
    assert.deepEqual(cutRowGroups([[], [0]]), []);
  });
});

describe('a log in parts', function () {
  this.timeout(30_000);
  const folder = temporaryFolder();
  after(folder.remove);
  const at = (name: string): string => join(folder.path, name);

  async function openScan(log: Log, condition?: string): Promise<ParquetScan> {
    assert.ok(log.parquet);
    return ParquetScan.open(log, log.parquet, condition);
  }

  it('reads every row of many row groups once, with its number in its file', async () => {
    await writeLog(
      at('groups.parquet'),
      'SELECT i AS a, i % 3 AS b FROM range(600000) t(i)',
      '(ROW_GROUP_SIZE 102400)',
    );
    const log = await Log.open([at('groups.parquet')]);
    try {
      const scan = await openScan(log);
      const parts = scan.parts(['a', 'b + 1']);
      assert.deepEqual(
        parts.map(({ rows }) => rows),
        cutRowGroups([[102_400, 102_400, 102_400, 102_400, 102_400, 88_000]]).map(({ rows }) => rows),
      );
      let next = 0;
      for (const { rows, queries } of parts) {
        assert.ok(queries.every(({ origin }) => origin === at('groups.parquet')));
        const [range] = await log.database.rows(
          `SELECT min(a)::INTEGER, max(a)::INTEGER, count(*)::INTEGER, bool_and(a = ${ROW_COLUMN} AND "(b + 1)" = a % 3 + 1) FROM (${queries[0]?.sql})`,
        );
        assert.deepEqual(range, [next, next + rows - 1, rows, true]);
        next += rows;
      }
      assert.equal(next, 600_000);
    } finally {
      log.close();
    }
  });

  it('unites files by column name and reads hive partitions, each file as the whole log is typed', async () => {
    for (const [day, query] of [
      ['01', `SELECT 1::INTEGER AS a, 'x' AS only_first`],
      ['02', 'SELECT 2::BIGINT AS a, [1.5] AS only_second'],
    ] as const) {
      mkdirSync(at(`hive/day=${day}/kind=k${day}`), { recursive: true });
      await writeLog(at(`hive/day=${day}/kind=k${day}/f.parquet`), query);
    }
    const log = await Log.open([at('hive/*/*/*.parquet')]);
    try {
      const types = Object.fromEntries([...log.columns.values()].map(({ name, type }) => [name, type]));
      assert.deepEqual(types, {
        a: 'BIGINT',
        only_first: 'VARCHAR',
        only_second: 'DECIMAL(2,1)[]',
        day: 'VARCHAR',
        kind: 'VARCHAR',
      });
      const select = ['a', 'only_first', 'CAST(only_second AS VARCHAR)', 'day', 'kind'];
      assert.deepEqual(await readParts(log, await openScan(log), select), [
        [1n, 'x', null, '01', 'k01', 0n, at('hive/day=01/kind=k01/f.parquet')],
        [2n, null, '[1.5]', '02', 'k02', 0n, at('hive/day=02/kind=k02/f.parquet')],
      ]);
    } finally {
      log.close();
    }
  });

  it('stages other logs in their order, and any log with requests together by their first time', async () => {
    const query = `SELECT unnest([7, 5, 7, 9, 5, NULL]) AS r, unnest([3, 8, 4, 1, 2, NULL]) AS t, unnest(range(6)) AS i`;
    const sources = [await writeLog(at('order.parquet'), query), await writeLog(at('order.csv'), query)];
    const selection = selectionOf('r', 't', 'i');
    for (const source of sources) {
      const log = await Log.open([source]);
      try {
        const scan =
          log.parquet === undefined ? await stageLog(log, selection, undefined, folder.path) : await openScan(log);
        const order = async (wanted: object): Promise<number[]> => {
          const from = log.parquet === undefined ? await stageLog(log, selection, undefined, folder.path) : scan;
          const staged = await stageSorted(log.database, from, selection, wanted, folder.path);
          const rows = await readParts(log, staged, ['i', 'r']);
          assert.ok(rows.every(([i, , row, file]) => i === row && file === source));
          return rows.map(([i]) => Number(i));
        };
        assert.deepEqual(
          (await readParts(log, scan, ['i'])).map(([i]) => Number(i)),
          [0, 1, 2, 3, 4, 5],
        );
        assert.deepEqual(await order({ request: 'r' }), [0, 2, 1, 4, 3, 5]);
        assert.deepEqual(await order({ request: 'r', time: 't' }), [3, 1, 4, 0, 2, 5]);
        assert.deepEqual(await order({ time: 't' }), [3, 4, 0, 2, 1, 5]);
      } finally {
        log.close();
      }
    }
  });

  it('gives each split its rows; rows without a value train', async () => {
    const path = await writeLog(
      at('split.parquet'),
      `SELECT unnest([1, 2, 3, 4, NULL]) AS t, unnest(['a', 'b', 'a', 'c', NULL]) AS s, unnest([true, false, true, NULL, false]) AS b,
       unnest([DATE '2024-01-01', '2024-02-01', '2024-03-01', NULL, '2024-02-15']) AS d`,
    );
    const log = await Log.open([path]);
    const rowsOf = async (time: string, rule: SplitConfig, part: 'train' | 'eval'): Promise<number[]> => {
      const features: DataInput['features'] = [{ name: 't', kind: 'dense' }];
      const config = configOf({ train: path, columns: { time }, split: rule, features } as DataInput, {
        b: { label: 'b' },
      });
      const scan = await openScan(log, splitCondition(log, config, part));
      return (await readParts(log, scan, ['t'])).map(([, row]) => Number(row));
    };
    try {
      for (const [time, rule, evaluated] of [
        ['t', { by: 'time', at: 3 }, [2, 3]],
        ['d', { by: 'time', at: '2024-02-15' }, [2, 4]],
        ['t', { by: 'column', column: 's', eval: ['a', 'c'] }, [0, 2, 3]],
        ['t', { by: 'column', column: 'b', eval: [true] }, [0, 2]],
        ['t', { by: 'column', column: 't', eval: [2, 4] }, [1, 3]],
      ] as const) {
        assert.deepEqual(await rowsOf(time, rule, 'eval'), evaluated);
        const rest = [0, 1, 2, 3, 4].filter((row) => !(evaluated as readonly number[]).includes(row));
        assert.deepEqual(await rowsOf(time, rule, 'train'), rest);
      }
      await assert.rejects(
        rowsOf('t', { by: 'column', column: 'z', eval: [1] }, 'eval'),
        prerankError('COLUMN_MISSING', /no column "z" \(data\.split\.column\)/),
      );
    } finally {
      log.close();
    }
  });
});
