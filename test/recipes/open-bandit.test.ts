import assert from 'node:assert/strict';
import { Publication, pick } from './support/recipe.js';

/** Numbers of items of the campaigns in this publication. */
const CAMPAIGNS = { all: 4, men: 2, women: 3 } as const;

describe('recipe open-bandit', () => {
  const files = new Publication();
  after(() => files.remove());

  before(() => {
    for (const policy of ['bts', 'random']) {
      for (const [campaign, items] of Object.entries(CAMPAIGNS)) {
        const each = (name: string) => Array.from({ length: items }, (_, i) => `${name}_${i}`);
        const user = ['user_feature_0', 'user_feature_1', 'user_feature_2', 'user_feature_3'];
        const header = [
          '',
          'timestamp',
          'item_id',
          'position',
          'click',
          'propensity_score',
          ...user,
          ...each('user-item_affinity'),
        ];
        const rows = Array.from({ length: 8 }, (_, i) => {
          const time = `2019-11-${i < 6 ? 24 + i : 30} 00:00:0${i}${i === 3 ? '' : '.237681'}+00:00`;
          const affinity = Array.from({ length: items }, (_, k) => (k === i % items ? i : 1));
          return [
            i,
            time,
            i % items,
            1 + (i % 3),
            i === 0 ? 1 : 0,
            0.25,
            '81ce123cbb5bd8ce818f60fb3586bba5',
            'b',
            'c',
            'd',
            ...affinity,
          ];
        });
        files.table(`${policy}/${campaign}/${campaign}.csv`, ',', [header, ...rows]);
        files.table(`${policy}/${campaign}/item_context.csv`, ',', [
          ['', 'item_id', 'item_feature_0', 'item_feature_1', 'item_feature_2', 'item_feature_3'],
          ...Array.from({ length: items }, (_, i) => [i, i, -0.5 + i, `${campaign}${i}`, 'y', 'z']),
        ]);
      }
    }
  });

  it("adds the shown item's affinity and context, of its own campaign", async () => {
    const rows = await files.rows('open-bandit/config.yaml', 'train', 'policy, campaign, ts');
    const names = ['policy', 'campaign', 'ad_id', 'item_affinity', 'affinity_sum', 'item_feature_0', 'item_feature_1'];
    assert.deepEqual(pick([...rows.slice(5, 6), ...rows.slice(6, 8)], ...names), [
      ['bts', 'all', 'all/1', 5, 8, 0.5, 'all1'],
      ['bts', 'men', 'men/0', 0, 1, -0.5, 'men0'],
      ['bts', 'men', 'men/1', 1, 2, 0.5, 'men1'],
    ]);
  });

  it('weighs by the inverse propensity, reads times with and without fractions, tests on the last day', async () => {
    const rows = await files.rows('open-bandit/config.yaml', 'train', 'policy, campaign, ts');
    assert.deepEqual(pick(rows.slice(2, 4), 'ts', 'inverse_propensity', 'click'), [
      ['2019-11-26 00:00:02.237681', 4, '0'],
      ['2019-11-27 00:00:03', 4, '0'],
    ]);
    const { columns, rows: counts } = await files.train('open-bandit/config.yaml');
    assert.deepEqual(counts, { train: 36, eval: 12 });
    assert.ok((columns['role.weight'] as number[]).every((weight) => weight === 4));
  });
});
