/**
 * A small simulated ads cascade: users, ads and requests with known truth. Everything is drawn from one seed.
 * Users and ads have latent factors; a click depends on their inner product, on activity, popularity and clickbait.
 * The final stage sees the truth with a little noise; the features show parts of the factors, none shows a user × ad cross.
 */

/** Sizes of the world and of the cascade. */
export const WORLD = {
  users: 600,
  ads: 300,
  advertisers: 60,
  topics: 24,
  factors: 8,
  /** Ads per request: retrieved, passed on by the early stage, in the auction, shown. */
  retrieved: 60,
  early: 15,
  auction: 8,
  shown: 4,
};

/** Multipliers of the quality events in the consolidated quality score. */
export const QUALITY_SCALARS = { p_cross_out: -1.5, p_hide: -1, p_report: -2.5, p_survey_good: 0.125 };

/** Logits of the quality events: base, weights of clickbait and of the two hidden low-quality traits, user and match terms. */
const QUALITY_EVENTS = {
  p_cross_out: { base: -4.0, bait: 1.0, low: [0.9, 0], sensitivity: 0.4, match: -0.25 },
  p_hide: { base: -3.6, bait: 0.6, low: [0, 0.9], sensitivity: 0.4, match: -0.25 },
  p_report: { base: -4.6, bait: 0.4, low: [1.0, 0.5], sensitivity: 0.4, match: -0.25 },
  p_survey_good: { base: -1.6, bait: -0.7, low: [-0.6, -0.3], sensitivity: -0.4, match: 0.25 },
};

const OBJECTIVES = [
  { name: 'click', share: 0.5, bid: 1 },
  { name: 'postClick', share: 0.3, bid: 12 },
  { name: 'postImpression', share: 0.2, bid: 15 },
];

const COUNTRIES = ['DE', 'FR', 'US', 'JP', 'BR', 'IN', 'GB', 'ES'];
const DEVICES = ['phone', 'tablet', 'desktop'];
const FORMATS = ['image', 'video', 'carousel'];
const TEACHER_NOISE = 0.25;
const OLD_EARLY_NOISE = 0.8;

/** Seeded random numbers (xorshift128 over splitmix-filled state): the same everywhere. */
export class Random {
  #state;

  constructor(seed) {
    let x = seed >>> 0;
    this.#state = Uint32Array.from({ length: 4 }, () => {
      x = (x + 0x9e3779b9) >>> 0;
      let z = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      return (z ^ (z >>> 16)) >>> 0;
    });
  }

  /** Uniform in [0, 1). */
  uniform() {
    const s = this.#state;
    const t = s[3] ^ (s[3] << 11);
    s[3] = s[2];
    s[2] = s[1];
    s[1] = s[0];
    s[0] = s[0] ^ (s[0] >>> 19) ^ t ^ (t >>> 8);
    return s[0] / 2 ** 32;
  }

  integer(below) {
    return Math.floor(this.uniform() * below);
  }

  normal(sd = 1) {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return sd * radius * Math.cos(2 * Math.PI * this.uniform());
  }

  normals(count, sd = 1) {
    return Array.from({ length: count }, () => this.normal(sd));
  }

  chance(probability) {
    return this.uniform() < probability;
  }

  /** `count` different integers in [0, below), in the order drawn. */
  sample(below, count) {
    const pool = Array.from({ length: below }, (_, i) => i);
    for (let i = 0; i < count; i++) {
      const j = i + this.integer(below - i);
      [pool[i], pool[j]] = [pool[j], pool[i]];
    }
    return pool.slice(0, count);
  }
}

export const sigmoid = (x) => 1 / (1 + Math.exp(-x));

const inner = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

/** Keeps logs small: what is stored has this many decimals. */
const round = (value, decimals) => Number(value.toFixed(decimals));

/** The topics nearest to a factor vector, with softmax weights. */
function nearestTopics(topics, factors, count) {
  const scored = topics.map((topic, id) => ({ id, score: inner(topic, factors) / Math.sqrt(factors.length) }));
  const best = scored.sort((a, b) => b.score - a.score || a.id - b.id).slice(0, count);
  const exponentials = best.map(({ score }) => Math.exp(score - best[0].score));
  const total = exponentials.reduce((sum, value) => sum + value, 0);
  return best.map(({ id }, i) => ({ id, weight: round(exponentials[i] / total, 3) }));
}

function makeAd(random, id, topics) {
  const advertiser = random.integer(WORLD.advertisers);
  const factors = random.normals(WORLD.factors);
  const bait = random.normal();
  const draw = random.uniform();
  const objective = draw < OBJECTIVES[0].share ? 0 : draw < OBJECTIVES[0].share + OBJECTIVES[1].share ? 1 : 2;
  const popularity = random.normal(0.5);
  return {
    id: 10_000 + 7 * id,
    factors,
    bait,
    low: random.normals(2),
    popularity,
    objective,
    bid: round(Math.exp(random.normal(0.6) + 0.25 * bait) * OBJECTIVES[objective].bid, 3),
    features: {
      advertiser_id: `adv_${String(advertiser).padStart(3, '0')}`,
      ad_format: FORMATS[random.integer(FORMATS.length)],
      ad_topics: nearestTopics(topics, factors, 3).map(({ id: topic }) => `topic_${topic}`),
      ad_clicks_30d: Math.round(Math.exp(4 + 1.4 * popularity + random.normal(0.8))),
      ad_price: random.chance(0.1) ? null : round(Math.exp(2.5 + random.normal()), 2),
      ad_factors: factors.slice(0, 4).map((value) => round(value + random.normal(0.5), 2)),
    },
  };
}

function makeUser(random, id, topics, ads) {
  const factors = random.normals(WORLD.factors);
  const activity = random.normal(0.4);
  const affine = ads
    .map((ad) => ({ ad, score: inner(ad.factors, factors) + random.normal(2) }))
    .sort((a, b) => b.score - a.score);
  const interests = random.chance(0.04) ? [] : nearestTopics(topics, factors, 2 + random.integer(4));
  return {
    id: 500_000 + 3 * id,
    factors,
    activity,
    sensitivity: random.normals(2),
    features: {
      age: random.chance(0.06) ? null : 18 + random.integer(60),
      country: random.chance(0.03) ? null : COUNTRIES[Math.floor(COUNTRIES.length * random.uniform() ** 2)],
      user_clicks_30d: Math.round(Math.exp(2 + 2 * activity + random.normal(0.7))),
      interests: interests.map(({ id: topic }) => `topic_${topic}`),
      interest_weights: interests.map(({ weight }) => weight),
      recent_ads: affine.slice(0, random.integer(7)).map(({ ad }) => ad.id),
      user_factors: factors.slice(0, 4).map((value) => round(value + random.normal(0.5), 2)),
    },
  };
}

const match = (user, ad) => inner(user.factors, ad.factors) / Math.sqrt(WORLD.factors);

/** True logits of everything that can happen when this user sees this ad. */
function truth(user, ad) {
  const dot = match(user, ad);
  const first = inner(user.factors.slice(0, 4), ad.factors.slice(0, 4)) / 2;
  const second = inner(user.factors.slice(4), ad.factors.slice(4)) / 2;
  const cliff = 1.2 * Math.max(0, -first);
  const upset = inner(user.sensitivity, ad.low);
  return {
    click: -2.6 + dot + user.activity + ad.popularity + 0.35 * ad.bait - cliff,
    conversion: -2.4 + 0.8 * second - 0.5 * ad.bait,
    viewThrough: -4.2 + 0.9 * dot + 0.5 * ad.popularity,
    quality: Object.fromEntries(
      Object.entries(QUALITY_EVENTS).map(([name, event]) => [
        name,
        event.base + event.bait * ad.bait + inner(event.low, ad.low) + event.sensitivity * upset + event.match * dot,
      ]),
    ),
  };
}

/** Bid × estimated action rate + quality score. */
function totalValue(ad, { ctr, cvr, vtr, cqs }) {
  const rate = [ctr, ctr * cvr, vtr][ad.objective];
  return ad.bid * rate + cqs;
}

function qualityScore(probabilities) {
  return Object.entries(QUALITY_SCALARS).reduce((sum, [name, scalar]) => sum + scalar * probabilities[name], 0);
}

/** A stage's predictions: the true logits with independent noise. */
function predict(random, logits, noise) {
  const quality = Object.fromEntries(
    Object.entries(logits.quality).map(([name, logit]) => [name, round(sigmoid(logit + random.normal(noise)), 5)]),
  );
  return {
    ctr: round(sigmoid(logits.click + random.normal(noise)), 5),
    cvr: sigmoid(logits.conversion + random.normal(noise)),
    vtr: sigmoid(logits.viewThrough + random.normal(noise)),
    quality,
    cqs: qualityScore(quality),
  };
}

const byDescending = (key) => (a, b) => b[key] - a[key] || a.ad.id - b.ad.id;

/** Runs one request through the cascade; the candidates come back with the furthest stage they reached. */
function runCascade(random, user, ads) {
  const drawn = random.sample(ads.length, 3 * WORLD.retrieved).map((index) => {
    const ad = ads[index];
    return { ad, relevance: match(user, ad) + random.normal() };
  });
  const candidates = drawn.sort(byDescending('relevance')).slice(0, WORLD.retrieved);
  for (const candidate of candidates) {
    const { ad } = candidate;
    const logits = truth(user, ad);
    candidate.logits = logits;
    candidate.final = predict(random, logits, TEACHER_NOISE);
    candidate.totalValue = round(totalValue(ad, candidate.final), 5);
    candidate.oldEarly = totalValue(ad, predict(random, logits, OLD_EARLY_NOISE));
    candidate.earlyCvr = round(sigmoid(logits.conversion + random.normal(0.5)), 4);
    candidate.earlyVtr = round(sigmoid(logits.viewThrough + random.normal(0.5)), 4);
    candidate.stage = 'early';
  }
  const passed = [...candidates].sort(byDescending('oldEarly')).slice(0, WORLD.early);
  passed.sort(byDescending('totalValue'));
  passed.forEach((candidate, rank) => {
    candidate.stage = rank < WORLD.shown ? 'impression' : rank < WORLD.auction ? 'auction' : 'final';
  });
  for (const candidate of passed.slice(0, WORLD.shown)) {
    candidate.click = random.chance(sigmoid(candidate.logits.click)) ? 1 : 0;
    candidate.conversion = candidate.click === 1 && random.chance(sigmoid(candidate.logits.conversion)) ? 1 : 0;
    if (candidate.click) candidate.stage = candidate.conversion ? 'conversion' : 'click';
  }
  return candidates;
}

const isShown = (candidate) => ['impression', 'click', 'conversion'].includes(candidate.stage);

/** The rows that a production system logs: all shown, and a uniform sample of the others (`perPool` of each pool). */
function logged(random, candidates, perPool) {
  const shown = candidates.filter(isShown);
  const pools = [
    candidates.filter(({ stage }) => stage === 'auction' || stage === 'final'),
    candidates.filter(({ stage }) => stage === 'early'),
  ];
  const augmented = pools.flatMap((pool) => random.sample(pool.length, perPool).map((index) => pool[index]));
  return [...shown, ...augmented];
}

function row(request, candidate) {
  const { ad, final } = candidate;
  const shown = isShown(candidate);
  const ctrTraffic = ad.objective !== 2;
  return {
    request_id: request.id,
    ts: request.time,
    user_id: request.user.id,
    ad_id: ad.id,
    stage: candidate.stage,
    shown: shown ? 1 : 0,
    click: shown ? candidate.click : null,
    conversion: shown ? candidate.conversion : null,
    objective: OBJECTIVES[ad.objective].name,
    ctr_traffic: ctrTraffic ? 1 : 0,
    ectr: ctrTraffic ? final.ctr : null,
    ...final.quality,
    bid: ad.bid,
    early_cvr: candidate.earlyCvr,
    early_vtr: candidate.earlyVtr,
    total_value: candidate.totalValue,
    hour: request.hour,
    device: request.device,
    session_depth: request.depth,
    ...request.user.features,
    ...ad.features,
  };
}

/**
 * @param {number} seed
 * @param {{trainRequests: number, evalRequests: number, perPool: number}} size perPool: logged non-impressions of the
 *   final stage and of the early stage, each, per training request
 * @returns {{train: object[], evaluation: object[]}} rows in chronological order; evaluation requests are complete:
 *   every retrieved ad is there with the final stage's scores
 */
export function simulateLogs(seed, { trainRequests, evalRequests, perPool }) {
  const random = new Random(seed);
  const topics = Array.from({ length: WORLD.topics }, () => random.normals(WORLD.factors));
  const ads = Array.from({ length: WORLD.ads }, (_, id) => makeAd(random, id, topics));
  const users = Array.from({ length: WORLD.users }, (_, id) => makeUser(random, id, topics, ads));
  const logs = { train: [], evaluation: [] };
  let time = Date.UTC(2024, 2, 4);
  for (let r = 0; r < trainRequests + evalRequests; r++) {
    time += Math.ceil(-Math.log(1 - random.uniform()) * 120_000);
    const request = {
      id: 1_000_000 + r,
      time,
      hour: new Date(time).getUTCHours(),
      user: users[random.integer(users.length)],
      device: DEVICES[Math.floor(DEVICES.length * random.uniform() ** 1.5)],
      depth: Math.floor(Math.exp(random.normal(1.1))),
    };
    const candidates = runCascade(random, request.user, ads);
    const target = r < trainRequests ? logs.train : logs.evaluation;
    const kept = r < trainRequests ? logged(random, candidates, perPool) : candidates;
    target.push(...kept.map((candidate) => row(request, candidate)));
  }
  return logs;
}
