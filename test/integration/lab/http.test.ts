import { strict as assert } from 'node:assert';
import { ProxyAgent, request } from 'undici';
import { HttpLab, ProxyLab } from '../../lab/http';

const BODY = Buffer.from('0123456789'.repeat(20_000));

describe('the HTTP server of the lab', () => {
  let http: HttpLab;
  before(async () => {
    http = await HttpLab.start();
  });
  after(() => http.stop());

  async function get(url: string, headers: Record<string, string> = {}) {
    const response = await request(url, { headers });
    return { ...response, bytes: Buffer.from(await response.body.arrayBuffer()) };
  }

  it('serves whole files and ranges of them', async () => {
    const url = http.serve('/a.iso', { body: BODY });
    const whole = await get(url);
    assert.deepEqual([whole.statusCode, whole.bytes.equals(BODY)], [200, true]);
    const part = await get(url, { range: 'bytes=5-9', 'if-range': String(whole.headers['etag']) });
    assert.equal(part.statusCode, 206);
    assert.equal(part.headers['content-range'], 'bytes 5-9/200000');
    assert.equal(part.bytes.toString(), '56789');
    assert.equal((await get(url, { range: 'bytes=5-9', 'if-range': '"other"' })).statusCode, 200);
    assert.equal((await get(url, { range: 'bytes=200000-' })).statusCode, 416);
    assert.deepEqual(
      http.asked('/a.iso').map(({ status, sent }) => [status, sent]),
      [
        [200, 200_000],
        [206, 5],
        [200, 200_000],
        [416, 0],
      ],
    );
  });

  it('cuts the body at the byte it was told, as often as told', async () => {
    const url = http.serve('/cut.iso', { body: BODY, cut: { after: 70_001, times: 2 } });
    for (let turn = 0; turn < 2; turn++) {
      const response = await request(url);
      let got = 0;
      await assert.rejects(async () => {
        for await (const chunk of response.body) got += (chunk as Buffer).length;
      });
      assert.equal(got, 70_001);
    }
    assert.equal((await get(url)).bytes.length, BODY.length);
  });

  it('changes its content between two requests', async () => {
    const url = http.serve('/new.iso', { body: [Buffer.from('old'), Buffer.from('new')] });
    const [first, second, third] = [await get(url), await get(url), await get(url)];
    assert.deepEqual(
      [first, second, third].map(({ bytes }) => bytes.toString()),
      ['old', 'new', 'new'],
    );
    assert.notEqual(first.headers['etag'], second.headers['etag']);
  });

  it('can do without ranges, without length, with weak names, and with a password', async () => {
    const url = http.serve('/odd.iso', { body: BODY, range: false, length: false, etag: 'weak', auth: 'u:p' });
    assert.equal((await get(url)).statusCode, 401);
    const got = await get(url, { range: 'bytes=5-', authorization: `Basic ${btoa('u:p')}` });
    assert.equal(got.statusCode, 200);
    assert.equal(got.headers['content-length'], undefined);
    assert.match(String(got.headers['etag']), /^W\//);
    assert.equal(got.bytes.length, BODY.length);
  });

  it('redirects, fails for a while, and stalls', async () => {
    const url = http.serve('/s.iso', {
      body: BODY,
      fail: { status: 503, times: 1 },
      stall: { after: 1000, ms: 5000, times: 1 },
    });
    const hop = await get(http.redirect('/hop', url, 307));
    assert.deepEqual([hop.statusCode, hop.headers['location']], [307, url]);
    assert.equal((await get(url)).statusCode, 503);
    await assert.rejects(async () => (await request(url, { signal: AbortSignal.timeout(300) })).body.arrayBuffer());
    assert.equal((await get(url)).bytes.length, BODY.length);
  });

  it('can be reached through a proxy that asks for a password', async () => {
    const proxy = await ProxyLab.start('me:secret');
    const url = http.serve('/p.iso', { body: BODY });
    for (const proxyTunnel of [true, false]) {
      const dispatcher = new ProxyAgent({ uri: proxy.url, token: `Basic ${btoa('me:secret')}`, proxyTunnel });
      const response = await request(url, { dispatcher });
      assert.equal((await response.body.arrayBuffer()).byteLength, BODY.length);
      await dispatcher.close();
    }
    assert.match(proxy.requests[0] ?? '', /^CONNECT /);
    assert.match(proxy.requests[1] ?? '', /^GET http:/);
    await proxy.stop();
  });
});
