import { strict as assert } from 'node:assert';
import { readFile } from 'node:fs/promises';
import { hasCode } from '../../../src/base/errors';
import { inspectPackage } from '../../../src/package/inspect';
import { nameOfUrl, parseAddress, redactUrl } from '../../../src/package/sources/address';
import { peekUrl } from '../../../src/package/sources/peek';
import { proxyFor, proxyFromEnv } from '../../../src/package/sources/proxy';
import { openUrlReader, type UrlReader } from '../../../src/package/sources/url';
import { HttpLab, ProxyLab } from '../../lab/http';
import { makePackage } from '../../lab/images';

const DIRECT = { http: undefined, https: undefined, direct: undefined };
const CONTENT = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7 + (i >> 8)) & 0xff));

describe('addresses of packages', () => {
  it('keep their secret apart', () => {
    const { url, auth } = parseAddress('https://me:p%40ss@host:8443/a/b.iso?token=t#x');
    assert.equal(url.href, 'https://host:8443/a/b.iso?token=t');
    assert.equal(auth, 'me:p@ss');
    assert.equal(parseAddress('http://me:a@host/', 'other:b').auth, 'other:b');
    assert.equal(parseAddress('http://host/').auth, undefined);
  });

  it('are shown without user, password and query', () => {
    assert.equal(redactUrl('https://me:secret@host:8443/a/b.iso?token=secret#secret'), 'https://host:8443/a/b.iso');
    for (const text of ['https://me:secret@', 'http://me:secret@ho st/x?secret', 'me:secret@host/x']) {
      assert.ok(!redactUrl(text).includes('secret'), redactUrl(text));
    }
    assert.equal(nameOfUrl('http://h/x/acme%20voice-24.1.iso?x=1'), 'acme voice-24.1.iso');
  });

  it('are http or https', () => {
    for (const text of ['ftp://host/x', 'file:///etc/passwd', 'http://', 'x.iso', 'javascript:alert(1)']) {
      assert.throws(() => parseAddress(text), { code: 'url-invalid', exit: 2 }, text);
    }
  });
});

describe('the proxy for a target', () => {
  const settings = (direct: string): ReturnType<typeof proxyFromEnv> =>
    proxyFromEnv({
      HTTP_PROXY: 'http://upper:1',
      http_proxy: 'lower:2',
      HTTPS_PROXY: 'http://tls:3',
      NO_PROXY: direct,
    });

  it('comes from the environment, lower case first', () => {
    assert.equal(proxyFor(new URL('http://a/'), settings(''))?.host, 'lower:2');
    assert.equal(proxyFor(new URL('https://a/'), settings(''))?.host, 'tls:3');
    assert.equal(proxyFor(new URL('https://a/'), proxyFromEnv({ ALL_PROXY: 'http://all:4' }))?.host, 'all:4');
    assert.equal(proxyFor(new URL('http://a/'), proxyFromEnv({})), undefined);
  });

  it('is none for what NO_PROXY lists: names and all below, addresses, networks, ports', () => {
    const direct = (url: string, list: string): boolean => proxyFor(new URL(url), settings(list)) === undefined;
    for (const list of ['example.org', '.example.org', '*.example.org', 'x, EXAMPLE.org', '*', 'example.org:80']) {
      assert.ok(direct('http://a.example.org/', list), list);
    }
    assert.ok(direct('http://10.1.2.3/', '10.0.0.0/8'));
    assert.ok(direct('http://[fd00::1]/', 'fd00::/16,x'));
    assert.ok(direct('http://[::1]:80/', '::1'));
    for (const [url, list] of [
      ['http://badexample.org/', 'example.org'],
      ['http://example.org:8080/', 'example.org:80'],
      ['http://11.1.2.3/', '10.0.0.0/8'],
      ['http://example.org/', '10.0.0.0/8'],
      ['http://1.2.3.4/', '3.4'],
      ['http://a/', ''],
    ] as const) {
      assert.ok(!direct(url, list), `${url} ${list}`);
    }
  });

  it('is refused when it is no http proxy', () => {
    const socks = proxyFromEnv({ http_proxy: 'socks5://u:secret@host:1' });
    assert.throws(
      () => proxyFor(new URL('http://a/'), socks),
      (error) => {
        assert.ok(hasCode(error, 'proxy-invalid'));
        return !error.message.includes('secret');
      },
    );
  });
});

describe('a package on a web server', () => {
  let lab: HttpLab;
  let other: HttpLab;
  let reader: UrlReader | undefined;

  before(async () => {
    lab = await HttpLab.start();
    other = await HttpLab.start();
  });

  afterEach(async () => {
    await reader?.close();
    reader = undefined;
  });

  after(async () => {
    await lab.stop();
    await other.stop();
  });

  const open = async (url: string, auth?: string): Promise<UrlReader> =>
    (reader = await openUrlReader(parseAddress(url, auth), { proxy: DIRECT }));

  it('is read at any offset by ranges', async () => {
    const it_ = await open(lab.serve('/ranges', { body: CONTENT }));
    assert.equal(it_.size, CONTENT.length);
    for (const [offset, length] of [
      [0, 10],
      [32_768, 2048],
      [65_530, 20],
      [200_000, 90_000],
      [299_990, 100],
      [300_000, 1],
    ] as const) {
      const expected = CONTENT.subarray(offset, offset + length);
      assert.ok(expected.equals(await it_.read(offset, length)), `${String(offset)}+${String(length)}`);
    }
    assert.ok(it_.insecure, 'plain http');
  });

  it('is inspected with one or two requests, without fetching it', async () => {
    const made = await makePackage({
      version: '24.2',
      scripts: { version: 'true', upgrade: 'true' },
      padBytes: 3_000_000,
      flavour: 'builtin',
    });
    const it_ = await open(lab.serve('/acme.iso', { body: await readFile(made.path) }));
    assert.equal((await inspectPackage(it_)).version, '24.2');
    const asked = lab.asked('/acme.iso');
    assert.ok(asked.length <= 2, `${String(asked.length)} requests`);
    assert.ok(asked.reduce((sum, each) => sum + each.sent, 0) <= 140_000);
  });

  it('is looked at before it is downloaded, where that is possible', async () => {
    const scripts = { version: 'true', upgrade: 'true' };
    const peek = (url: string): ReturnType<typeof peekUrl> =>
      peekUrl(parseAddress(url), { proxy: DIRECT }, { name: 'x.iso' });
    const good = await readFile((await makePackage({ version: '24.2', scripts, flavour: 'builtin' })).path);
    const seen = await peek(lab.serve('/peek.iso', { body: good }));
    assert.equal(seen?.info.version, '24.2');
    assert.equal(seen.validators.length, good.length);
    assert.equal(await peek(lab.serve('/peek-whole.iso', { body: good, range: false })), undefined);
    assert.equal(await peek(lab.serve('/peek-busy.iso', { body: good, fail: { status: 503, times: 9 } })), undefined);
    const bare = await readFile(
      (await makePackage({ version: '1', scripts, manifestText: null, flavour: 'builtin' })).path,
    );
    await assert.rejects(peek(lab.serve('/peek-bare.iso', { body: bare })), { code: 'no-manifest' });
    await assert.rejects(peek(lab.serve('/peek-half.iso', { body: good.subarray(0, 50_000) })), {
      code: 'package-truncated',
    });
    await assert.rejects(peek(`${lab.origin}/peek-gone.iso`), { code: 'url-not-found' });
  });

  it('is not read from a server that gives files only as a whole', async () => {
    await assert.rejects(open(lab.serve('/whole', { body: CONTENT, range: false })), { code: 'url-no-range', exit: 3 });
  });

  it('that changes between two reads is found out', async () => {
    for (const etag of ['strong', 'weak'] as const) {
      const longer = Buffer.concat([CONTENT, Buffer.from('x')]);
      const it_ = await open(lab.serve(`/changes-${etag}`, { body: [CONTENT, longer], etag }));
      await assert.rejects(it_.read(200_000, 10), { code: 'download-changed', exit: 3 });
      await it_.close();
    }
  });

  it('is not believed when it answers another range', async () => {
    const url = lab.serve('/wrong', { body: CONTENT });
    const it_ = await open(url);
    lab.serve('/wrong', { body: CONTENT, wrongRange: true });
    await assert.rejects(it_.read(200_000, 10), { code: 'download-changed' });
  });

  it('gets credentials from the URL, and says when they are wrong', async () => {
    const url = lab.serve('/auth', { body: CONTENT, auth: 'me:s3cret' });
    await open(url.replace('://', '://me:s3cret@'));
    await open(url, 'me:s3cret');
    await assert.rejects(open(url.replace('://', '://me:wrong@')), (error) => {
      assert.ok(hasCode(error, 'url-auth'));
      return error.exit === 3 && !error.message.includes('wrong') && error.hint.includes('CLUSTERLIFT_URL_AUTH');
    });
  });

  it('gets no credentials of another origin, whichever way it is redirected', async () => {
    const target = other.serve('/target', { body: CONTENT });
    const url = lab.redirect('/away', target);
    const it_ = await open(url.replace('://', '://me:s3cret@'));
    await it_.read(200_000, 10);
    const asked = other.asked('/target');
    assert.equal(asked.length, 2);
    assert.ok(asked.every((each) => each.headers['authorization'] === undefined));
    assert.ok(lab.asked('/away').every((each) => each.headers['authorization'] !== undefined));
    const planted = lab.redirect('/planted', target.replace('://', '://planted:x@'));
    await open(planted);
    assert.ok(other.asked('/target').every((each) => each.headers['authorization'] === undefined));
  });

  it('keeps credentials over a redirect on the same origin', async () => {
    lab.serve('/kept', { body: CONTENT, auth: 'me:x' });
    await open(lab.redirect('/near', '/kept'), 'me:x');
  });

  it('is refused for circles of redirects and for ways out of http', async () => {
    await assert.rejects(open(lab.redirect('/round', '/round')), { code: 'url-redirects' });
    await assert.rejects(open(lab.redirect('/file', 'file:///etc/passwd')), { code: 'url-refused' });
  });

  it('that is not there says so, and shows no secret', async () => {
    await assert.rejects(open(`${lab.origin.replace('://', '://u:s3cret@')}/gone?token=s3cret`), (error) => {
      assert.ok(hasCode(error, 'url-not-found'));
      return !JSON.stringify(error.detail()).includes('s3cret') && !error.message.includes('s3cret');
    });
    await assert.rejects(open('http://127.0.0.1:9/x'), { code: 'url-unavailable' });
  });

  it('is fetched through a proxy with its credentials, except where NO_PROXY says otherwise', async () => {
    const proxy = await ProxyLab.start('p:q');
    try {
      const url = lab.serve('/by-proxy', { body: CONTENT });
      const through = { http: proxy.url.replace('://', '://p:q@'), https: undefined, direct: undefined };
      const it_ = await openUrlReader(parseAddress(url), { proxy: through });
      assert.ok(CONTENT.subarray(200_000, 200_010).equals(await it_.read(200_000, 10)));
      await it_.close();
      assert.deepEqual(proxy.requests, [`GET ${url}`, `GET ${url}`]);
      await (await openUrlReader(parseAddress(url), { proxy: { ...through, direct: '127.0.0.0/8' } })).close();
      assert.equal(proxy.requests.length, 2);
      await assert.rejects(openUrlReader(parseAddress(url), { proxy: { ...through, http: proxy.url } }), {
        code: 'proxy-refused',
      });
    } finally {
      await proxy.stop();
    }
  });

  it('stops when it is told to', async () => {
    const url = lab.serve('/slow', { body: CONTENT, stall: { after: 1, ms: 2000, times: 1 } });
    const signal = AbortSignal.timeout(50);
    await assert.rejects(openUrlReader(parseAddress(url), { proxy: DIRECT, signal }));
  });

  it('that falls silent is given up after the idle time', async () => {
    const url = lab.serve('/silent', { body: CONTENT, stall: { after: 1, ms: 3000, times: 1 } });
    await assert.rejects(openUrlReader(parseAddress(url), { proxy: DIRECT, idleTimeout: 100 }), {
      code: 'url-unavailable',
    });
  });
});
