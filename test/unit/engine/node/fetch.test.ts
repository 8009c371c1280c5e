import { strict as assert } from 'node:assert';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep } from '../../../../src/base/async';
import { hasCode } from '../../../../src/base/errors';
import { dropFetched, fetchOnNode, type FetchedOnNode, type NodeFetch } from '../../../../src/engine/node/fetch';
import { parseAddress, urlKey } from '../../../../src/package/sources/address';
import { type Answer, HttpLab } from '../../../lab/http';
import { underBothShells } from './shells';
import type { ErrorCode } from '../../../../src/base/catalogue';

const content = Buffer.from(Array.from({ length: 900_000 }, (_, at) => (at * 31) % 253));
const other = Buffer.from(content.map((byte) => 255 - byte));

underBothShells('A download by a node', (place) => {
  let http: HttpLab;
  let home: string | undefined;
  before(async () => {
    http = await HttpLab.start();
  });
  after(() => http.stop());
  beforeEach(() => {
    home = process.env['HOME'];
    process.env['HOME'] = place().root;
  });
  afterEach(() => {
    process.env['HOME'] = home;
  });

  const incoming = (): string => join(place().root, '.cache/clusterlift/incoming');

  function get(url: string, options: Partial<NodeFetch> & { auth?: string } = {}): Promise<FetchedOnNode> {
    const { auth, ...rest } = options;
    const signal = new AbortController().signal;
    return fetchOnNode(place().node, {
      address: parseAddress(url, auth),
      pinned: false,
      aside: false,
      signal,
      ...rest,
    });
  }

  /** Gives up at the first byte. */
  const enough =
    (ending: AbortController) =>
    (bytes: number): void => {
      if (bytes > 0) ending.abort(new Error('enough'));
    };

  /** Serves it, has it fetched, and gives what came and which ranges were asked for. */
  async function fetched(answer: Partial<Answer>, options: Parameters<typeof get>[1] = {}): Promise<unknown[]> {
    const path = `/${String(Math.random()).slice(2)}.iso`;
    const { path: file } = await get(http.serve(path, { body: content, ...answer }), options);
    assert.ok((await readFile(file)).equals(content), 'other bytes than were served');
    return http.asked(path).map(({ headers }) => headers['range']);
  }

  it('brings the whole, tells how it goes, and leaves nothing but the image and its ETag', async () => {
    const seen: number[] = [];
    await fetched(
      { rate: 1_000_000 },
      {
        onProgress: (bytes) => {
          seen.push(bytes);
        },
      },
    );
    assert.ok(seen.some((bytes) => bytes > 0 && bytes < content.length));
    const [name = ''] = await readdir(incoming());
    assert.deepEqual(await readdir(join(incoming(), name)), ['etag', 'image.iso']);
    await dropFetched(place().node, join(incoming(), name, 'image.iso'));
    assert.deepEqual(await readdir(incoming()), []);
  });

  it('asks only for the rest after the server cut it off', async () => {
    const ranges = await fetched({ cut: { after: 300_000, times: 2 } });
    assert.equal(ranges.length, 3);
    assert.equal(ranges[0], undefined);
    assert.match(String(ranges[2]), /^bytes=[3-9]\d{5}-$/);
  });

  it('starts again without a strong ETag, unless the digest of the whole is known', async () => {
    assert.deepEqual(await fetched({ etag: 'weak', cut: { after: 300_000, times: 1 } }), [undefined, undefined]);
    const [, second] = await fetched({ etag: 'none', cut: { after: 300_000, times: 1 } }, { pinned: true });
    assert.match(String(second), /^bytes=\d+-$/);
  });

  it('never puts two contents together: not when the content changed, nor when the server gives other ranges', async () => {
    await fetched({ body: [other, content], cut: { after: 300_000, times: 1 } });
    await fetched({ range: false, cut: { after: 300_000, times: 1 } });
    await fetched({ length: false, cut: { after: 300_000, times: 1 } });
  });

  it('goes on with what an earlier one left, and asks only whether it is still the same when all is there', async () => {
    const url = http.serve('/again.iso', { body: content, cut: { after: 300_000, times: 99 } });
    const ending = new AbortController();
    const first = get(url, {
      signal: ending.signal,
      onProgress: enough(ending),
    });
    await assert.rejects(first);
    http.serve('/again.iso', { body: content });
    await get(url);
    await get(url);
    const asked = http.asked('/again.iso').slice(-2);
    assert.match(String(asked[0]?.headers['range']), /^bytes=[1-9]/);
    assert.equal(asked[1]?.status, 416);
    http.serve('/again.iso', { body: other });
    const { path } = await get(url);
    assert.ok((await readFile(path)).equals(other));
  });

  it('ends on the node when nobody listens any more', async () => {
    const url = http.serve('/slow.iso', { body: content, rate: 20_000 });
    const ending = new AbortController();
    const work = get(url, {
      signal: ending.signal,
      onProgress: enough(ending),
    });
    await assert.rejects(work);
    const asked = http.asked('/slow.iso')[0];
    for (let before = -1; before !== asked?.sent;) {
      before = asked?.sent ?? 0;
      assert.ok(before < content.length, 'it went on to the end');
      await sleep(1500);
    }
    assert.deepEqual(await readdir(join(incoming(), `url-${urlKey(new URL(url))}`)), ['etag', 'image.iso']);
  });

  it('says why it is not to be had, without its query', async () => {
    const cases: readonly [code: ErrorCode, url: string, options?: Parameters<typeof get>[1]][] = [
      ['url-not-found', `${http.origin}/nothing.iso?token=geheim`],
      ['url-auth', http.serve('/closed.iso', { body: content, auth: 'me:right' }), { auth: 'me:wrong' }],
      ['url-unavailable', 'http://127.0.0.1:9/x.iso?token=geheim'],
      ['url-redirects', http.redirect('/round.iso', `${http.origin}/round.iso`)],
    ];
    for (const [code, url, options] of cases) {
      await assert.rejects(get(url, options), (error: unknown) => {
        assert.ok(hasCode(error, code), String(error));
        assert.equal(error.node, 'n1');
        assert.doesNotMatch(error.message, /geheim/);
        return true;
      });
    }
  });

  it('gives a password with any characters to its own server, and not to the one it is sent on to', async () => {
    const auth = 'me:qu"ote\\ and ü %s $(id)';
    await fetched({ auth }, { auth });
    const away = await HttpLab.start();
    try {
      const there = away.serve('/there.iso', { body: content });
      const { insecure } = await get(http.redirect('/away.iso', there.replace('127.0.0.1', 'localhost')), { auth });
      assert.equal(insecure, true);
      assert.equal(away.asked('/there.iso')[0]?.headers['authorization'], undefined);
    } finally {
      await away.stop();
    }
  });

  it('takes a place of its own beside another download of the same URL, and removes what nobody came back for', async () => {
    const url = http.serve('/both.iso', { body: content, rate: 100_000 });
    const old = join(incoming(), 'url-0123');
    await mkdir(old, { recursive: true });
    await writeFile(join(old, 'image.iso'), 'old');
    await place().node.exec({ script: 'touch -t 202001010000 "$1"', args: [old], timeout: 10_000 });
    const [first, second] = await Promise.all([get(url), get(url)]);
    assert.notEqual(first.path, second.path);
    for (const { path } of [first, second]) assert.ok((await readFile(path)).equals(content));
    assert.equal((await readdir(incoming())).includes('url-0123'), false);
  }).timeout(90_000);
});
