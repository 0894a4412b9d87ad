import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Publication, pick } from './support/recipe.js';

const FLAGS = ['realshow', 'rerank_pos', 'rerank_neg', 'rank_pos', 'rank_neg', 'coarse_neg', 'prerank_neg'] as const;

/** What became of the videos of a request: the flags that are 1, and the furthest stage. */
const VIDEOS: readonly (readonly [
  flags: readonly (typeof FLAGS)[number][],
  effective: number,
  rank: number,
  stage: string,
])[] = [
  [['realshow', 'rerank_pos', 'rank_pos'], 1, 0, 'click'],
  [['realshow', 'rerank_pos', 'rank_pos'], 0, 1, 'impression'],
  [['rerank_pos', 'rank_pos'], 0, 2, 'auction'],
  [['rerank_neg', 'rank_neg'], 0, 3, 'auction'],
  [['rank_neg'], 0, 4, 'final'],
  [['coarse_neg'], 0, 0, 'early'],
  [['prerank_neg'], 0, 0, 'retrieved'],
  [['prerank_neg'], 0, 0, 'retrieved'],
];

describe('recipe recflow', () => {
  const files = new Publication();
  after(() => files.remove());

  before(() => {
    for (const [day, start] of [
      ['2024-02-16', 1708012800000],
      ['2024-02-17', 1708099200000],
      ['2024-02-18', 1708185600000],
    ] as const) {
      const rows = [0, 1, 2].flatMap((request) =>
        VIDEOS.map(([flags, effective, rank], video) => ({
          request_id: Math.floor(start / 86400000) * 10 + request,
          request_timestamp: start + request * 3_600_000,
          user_id: request,
          device_id: 7,
          age: 2,
          gender: 1,
          province: 11,
          video_id: video,
          author_id: video % 3,
          category_level_one: 5,
          category_level_two: 6,
          upload_type: 1,
          upload_timestamp: start / 1000 + request * 3600 - 7200,
          duration: 15000,
          ...Object.fromEntries(FLAGS.map((flag) => [flag, flags.includes(flag) ? 1 : 0])),
          rank_index: rank,
          rerank_index: rank,
          playing_time: effective * 9000,
          effective_view: effective,
          long_view: 0,
          like: 0,
          follow: 0,
          forward: 0,
          comment: 0,
        })),
      );
      const names = Object.keys(rows[0] ?? {}) as (keyof (typeof rows)[number])[];
      const columns = names.map((name) => [name, rows.map((row) => Number(row[name]))] as const);
      files.feather(join('all_stage', `${day}.feather`), Object.fromEntries(columns));
    }
  });

  it('gives each video the furthest stage that it reached', async () => {
    const rows = await files.rows('recflow/config.yaml', 'train', 'time, video_id');
    assert.deepEqual(
      rows.slice(0, 8).map((row) => row.stage),
      VIDEOS.map(([, , , stage]) => stage),
    );
    assert.deepEqual(pick(rows.slice(0, 8), 'shown', 'effective_view', 'ranked', 'rank_value'), [
      ['1', '1', 1, 1],
      ['1', '0', 1, 1 / 2],
      ['0', null, 1, 1 / 3],
      ['0', null, 1, 1 / 4],
      ['0', null, 1, 1 / 5],
      ['0', null, 0, null],
      ['0', null, 0, null],
      ['0', null, 0, null],
    ]);
  });

  it("takes hour and weekday in Beijing's time, and a video's age in hours", async () => {
    const rows = await files.rows('recflow/config.yaml', 'train', 'time, video_id');
    assert.deepEqual(pick(rows.slice(8, 9), 'hour', 'weekday', 'video_age_h', 'duration_s'), [['1', '5', 2, 15]]);
  });

  it('draws from what was not shown, trains, and replays the last day', async () => {
    const { columns, rows } = await files.train('recflow/config.yaml');
    assert.deepEqual(rows, { train: 48, eval: 24 });
    assert.equal((columns['role.stage'] as number[]).filter((stage) => stage === 3).length, 12);
  });
});
