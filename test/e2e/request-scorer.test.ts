/** Requests scored with kept vectors of ads, by the model of a run folder: strings, lists, weights, hashes. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { trainedModel } from '../../src/bench/scored-model.js';
import { benchServe } from '../../src/bench/serve.js';
import {
  AdVectors,
  ColumnScorer,
  loadConfig,
  openRun,
  predict,
  type RawRow,
  RequestScorer,
  type Run,
  train,
} from '../../src/index.js';
import { duckdb, sampleConfig, writeLogs } from '../support/sample-run.js';

const TASKS = ['ctr', 'cqs', 'teacher'];

/** A log with every kind of value; ads 0 … 39 and the users of 60 requests, nulls among both. */
const LOG = `
  SELECT i // 20 AS request_id, 'u' || (i // 20 % 50) AS user_id,
         CASE WHEN i // 20 = 3 THEN NULL ELSE 's' || (i // 20 % 4) END AS segment,
         (i // 20) * 0.05 - 1 AS x, ['de', NULL, 'größer'][i // 20 % 3 + 1] AS country, i * 7 % 40 AS ad_id,
         CASE WHEN i * 7 % 40 = 5 THEN NULL ELSE [i * 7 % 40 % 7, 3, 99999] END AS topics,
         CASE WHEN i * 7 % 40 = 5 THEN NULL ELSE [0.5, i * 7 % 40, -2] END AS topic_weights,
         ['a' || (i * 7 % 40 % 3), 'b'] AS words, 9007199254740993 + i * 7 % 40 AS advertiser,
         (20 - i * 7 % 40) * 99999999977 AS code,
         i * 7 % 40 % 2 = 0 AS video, sqrt(i * 7 % 40) AS price,
         1 AS shown, i AS ts, (i % 3 = 0)::INTEGER AS click, 0.3 AS ectr, i % 5 AS cqs, 1 AS bid, 1 AS total_value
  FROM range(1200) t(i) ORDER BY i`;

describe('requests scored with kept vectors of ads', () => {
  let folder: string;
  let run: Run;
  /** Rows of the log, in its order. */
  let rows: readonly RawRow[];
  /** Predictions by task, of all rows. */
  let expected: ReadonlyMap<string, readonly number[]>;
  /** The first row of each ad, by its number. */
  let ads: readonly RawRow[];

  before(async function () {
    this.timeout(120_000);
    folder = await mkdtemp(join(tmpdir(), 'prerank-scorer-'));
    const log = join(folder, 'log.parquet');
    await duckdb(`COPY (${LOG}) TO '${log}' (FORMAT parquet)`);
    const { data, training, ...config } = sampleConfig(folder);
    const features = {
      user: [
        { name: 'user_id', kind: 'categorical' as const },
        { name: 'segment', kind: 'categorical' as const },
        { name: 'x', kind: 'dense' as const, transform: ['standardize' as const] },
      ],
      context: [{ name: 'country', kind: 'categorical' as const, hash: { buckets: 11 } }],
      ad: [
        { name: 'ad_id', kind: 'categorical' as const },
        { name: 'topics', kind: 'multi' as const, weights: 'topic_weights' },
        { name: 'words', kind: 'multi' as const, hash: { buckets: 13 } },
        { name: 'advertiser', kind: 'categorical' as const },
        { name: 'code', kind: 'categorical' as const, hash: { buckets: 65_537 } },
        { name: 'video', kind: 'categorical' as const },
        { name: 'price', kind: 'dense' as const, transform: ['log1p' as const, 'standardize' as const] },
      ],
    };
    const settings = loadConfig({
      ...config,
      data: { ...data, train: log, eval: log, features },
      training: { ...training, epochs: 1 },
    });
    const out = join(folder, 'run');
    await train(settings, { out });
    run = await openRun(out, { threads: 1 });
    const output = join(folder, 'scores.parquet');
    await predict(run, { input: [log], output });
    const scores = await duckdb(`SELECT ${TASKS.join(', ')} FROM '${output}'`);
    expected = new Map(TASKS.map((task, i) => [task, scores.map((values) => Number(values[i]))]));
    const names = [
      'user_id',
      'segment',
      'x',
      'country',
      'ad_id',
      'topics',
      'topic_weights',
      'words',
      'advertiser',
      'code',
      'video',
      'price',
    ];
    const lists = await duckdb(
      `SELECT user_id, segment, x::DOUBLE, country, ad_id::INTEGER, to_json(topics)::VARCHAR, to_json(topic_weights)::VARCHAR,
              to_json(words)::VARCHAR, advertiser, code, video, price FROM '${log}'`,
    );
    const value = (name: string, cell: unknown): unknown =>
      ['topics', 'topic_weights', 'words'].includes(name) && cell !== null ? JSON.parse(String(cell)) : cell;
    rows = lists.map((cells) => Object.fromEntries(names.map((name, i) => [name, value(name, cells[i])])) as RawRow);
    ads = Array.from({ length: 40 }, (_, ad) => rows.find((row) => row.ad_id === ad) ?? {});
  });

  after(() => rm(folder, { recursive: true, force: true }));

  const userOf = (row: number): RawRow => {
    const { user_id, segment, x, country } = rows[row] ?? {};
    return { user_id, segment, x, country };
  };

  it('gives the predictions of the log', async () => {
    const scorer = new RequestScorer(run);
    const vectors = await scorer.adVectors(ads);
    assert.deepEqual([vectors.count, vectors.width], [40, 8]);
    for (const request of [0, 3, 4, 5, 59]) {
      const numbers = Uint32Array.from({ length: 20 }, (_, i) => Number(rows[request * 20 + i]?.ad_id));
      const scores = await scorer.score(userOf(request * 20), numbers, vectors);
      assert.deepEqual([...scores.keys()], TASKS);
      for (const [task, values] of scores) {
        values.forEach((score, i) => {
          const other = expected.get(task)?.[request * 20 + i] ?? Number.NaN;
          assert.ok(Math.abs(score - other) <= 2e-6 * Math.max(1, Math.abs(other)), `${task}: ${score}, ${other}`);
        });
      }
    }
    const ctr = expected.get('ctr') ?? [];
    assert.ok(new Set(ctr).size > ctr.length / 2);
  });

  it('gives the bits of the whole model, for any number of ads and several programs at once', async () => {
    const scorer = new RequestScorer(run);
    const whole = new ColumnScorer(run);
    const vectors = await scorer.adVectors(ads);
    for (const count of [1, 7, 4096, 4097, 9000]) {
      const numbers = Uint32Array.from({ length: count }, (_, i) => (i * i + 3) % 40);
      const pairs = Array.from(numbers, (ad) => ({ ...ads[ad], ...userOf(47) }));
      const [scores, all] = await Promise.all([
        scorer.score(userOf(47), numbers, vectors),
        whole.score({ rows: count, column: (name) => pairs.map((pair: RawRow) => pair[name]) }),
      ]);
      assert.deepEqual(scores, all, `${count} ads`);
    }
    const none = await scorer.score(userOf(0), new Uint32Array(0), vectors);
    assert.deepEqual(
      [...none].map(([task, { length }]) => [task, length]),
      TASKS.map((task) => [task, 0]),
    );
    assert.equal((await scorer.adVectors([])).count, 0);
  });

  it('takes vectors of ads that changed, from the next request on', async () => {
    const scorer = new RequestScorer(run);
    const vectors = await scorer.adVectors(ads.slice(0, 3));
    const numbers = Uint32Array.of(0, 1, 2, 1);
    const before = await scorer.score(userOf(0), numbers, vectors);
    const pending = scorer.score(userOf(0), numbers, vectors);
    vectors.set(await scorer.adVectors([ads[30] ?? {}]), 1);
    assert.deepEqual(await pending, before);
    const after = await scorer.score(userOf(0), numbers, vectors);
    const fresh = await scorer.adVectors([ads[0] ?? {}, ads[30] ?? {}, ads[2] ?? {}]);
    assert.deepEqual(after, await scorer.score(userOf(0), numbers, fresh));
    const [old = [], changed = []] = [before.get('ctr'), after.get('ctr')];
    assert.deepEqual([old[0] === changed[0], old[1] === changed[1], old[2] === changed[2]], [true, false, true]);
  });

  it('is what the serving benchmark times for a run', async () => {
    const options = { ads: 20, threads: [1], requestsPerCall: [1], requests: 3, seed: 1 };
    const { results, adVectors } = await benchServe(run.addon, trainedModel(run), options);
    assert.deepEqual(
      results.map(({ vectors, latency }) => [vectors, latency.samples]),
      [
        ['computed', 3],
        ['kept', 3],
      ],
    );
    assert.equal(adVectors?.width, 8);
  });

  it('refuses what does not fit, by name', async () => {
    const scorer = new RequestScorer(run);
    const vectors = await scorer.adVectors(ads);
    const user = userOf(0);
    await assert.rejects(scorer.score(user, Uint32Array.of(0, 40), vectors), {
      name: 'PrerankError',
      code: 'OUT_OF_RANGE',
      message: /row 40 at position 1 is not below the 40 rows/,
    });
    const narrow = new AdVectors(7, new Float32Array(14));
    await assert.rejects(scorer.score(user, Uint32Array.of(0), narrow), { code: 'INVALID_ARGUMENT', message: /of 7/ });
    assert.throws(() => vectors.set(narrow, 0), { code: 'INVALID_ARGUMENT' });
    assert.throws(() => vectors.set(new AdVectors(8, new Float32Array(16)), 39), { code: 'OUT_OF_RANGE' });
    assert.throws(() => new AdVectors(8, new Float32Array(15)), { code: 'INVALID_ARGUMENT' });
    const { x, ...without } = user;
    assert.ok(x !== undefined);
    await assert.rejects(scorer.score(without, Uint32Array.of(0), vectors), {
      code: 'COLUMN_MISSING',
      message: /lack x/,
    });
    const bad: readonly (readonly [RawRow, RegExp])[] = [
      [{ user_id: 5 }, /user_id takes strings, got 5/],
      [{ x: 'much' }, /x takes numbers, got "much"/],
      [{ x: Number.POSITIVE_INFINITY }, /x takes finite numbers/],
    ];
    for (const [change, message] of bad) {
      await assert.rejects(scorer.score({ ...user, ...change }, Uint32Array.of(0), vectors), {
        code: 'INVALID_ARGUMENT',
        message,
      });
    }
    const badAds: readonly (readonly [RawRow, RegExp])[] = [
      [{ ad_id: 1.5 }, /ad_id takes integers, got 1.5/],
      [{ topics: 3 }, /topics takes lists, got 3/],
      [{ topics: [1, Number.NaN, 3] }, /topics takes lists without null/],
      [{ topic_weights: [1] }, /topics takes as many weights as ids, here 3/],
      [{ topic_weights: [1, 2, 1e300] }, /topics takes weights that are finite numbers/],
    ];
    for (const [change, message] of badAds) {
      await assert.rejects(scorer.adVectors([{ ...ads[0], ...change }]), { code: 'INVALID_ARGUMENT', message });
    }
  });

  it('refuses a model that joins user and ad before its first layer', async () => {
    await writeLogs(folder, { train: 256, eval: 128 });
    const out = join(folder, 'cold');
    await train(loadConfig({ ...sampleConfig(folder), model: { kind: 'cold', embeddingDim: 4 } }), { out });
    const cold = await openRun(out);
    assert.throws(() => new RequestScorer(cold), { code: 'UNSUPPORTED', message: /cold has no vectors of ads/ });
  });
});
