import { exchange } from '../../support/exchange.ts';
import { counted, followUntil, requireSuccess, type Scene } from '../scene.ts';
import type { Stage } from '../stage.ts';

const host = 'www.example.com';
/** Two pages that the origin marks with the tag `shop`, one that is purged by its address, and one that is left alone. */
const pages = [
  { path: '/shop', tag: 'shop', isPurged: true },
  { path: '/cart', tag: 'shop', isPurged: true },
  { path: '/about', tag: 'company', isPurged: true },
  { path: '/jobs', tag: 'company', isPurged: false },
];
const purgeRequest = { step: 'purge-cdn', with: { tags: ['shop'], urls: [`http://${host}/about`] } };

export const purgeTheCache: Scene = {
  title: 'Purge a cache by tag and by address',
  async play(stage) {
    const { api, timeline, origin } = stage;
    for (const { path, tag } of pages) origin.setHeaders(path, { 'cache-control': 'public, max-age=3600', xkey: tag });
    await visitAll(stage);
    counted((await visitAll(stage)).filter((hit) => hit).length, pages.length, 'pages that the cache holds');

    const { status } = await api.put('purge', purgeRequest);
    timeline.event('you', `PUT /v1/executions/purge (purge-cdn, tag shop and one address) is answered with ${status}`);
    requireSuccess(await followUntil(stage, 'purge'));

    const hits = await visitAll(stage);
    const purged = pages.filter(({ isPurged }, index) => isPurged && hits[index] === false);
    const kept = pages.filter(({ isPurged }, index) => !isPurged && hits[index] === true);
    return [
      counted(purged.length, 3, 'pages purged: a HIT before, a MISS after'),
      counted(kept.length, 1, 'page left alone: a HIT before and after'),
    ];
  },
};

/** Visits each page through the cache. A HIT never reaches the origin, which counts its visitors. */
async function visitAll({ timeline, origin, cache }: Stage): Promise<boolean[]> {
  const hits: boolean[] = [];
  for (const { path } of pages) {
    const before = origin.hits(path);
    await exchange(cache.url + path, { headers: { host } });
    hits.push(origin.hits(path) === before);
  }
  const words = pages.map(({ path }, index) => `${path} ${hits[index] ? 'HIT' : 'MISS'}`);
  timeline.event('visitor', `${host}: ${words.join(', ')}`);
  return hits;
}
