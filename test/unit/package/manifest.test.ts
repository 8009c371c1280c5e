import { strict as assert } from 'node:assert';
import { ClusterliftError } from '../../../src/base/errors';
import { manifestOf, parseManifest } from '../../../src/package/manifest';

/** The example of the documentation, with its comments. */
const EXAMPLE = `{
  "schema": 1, "product": "acme-voice", "version": "24.2.0",
  "compatible": { "from": ">=23.1", "arch": ["x86_64", "aarch64"], "os": ["debian", "rhel"] },
  "needs": { "disk": "2GiB", "commands": ["tar"] },
  "roles": ["database", "application", "webproxy"],
  "scripts": { "version": "bin/version", "check": "bin/check", "stop": "bin/stop", "upgrade": "bin/upgrade", "start": "bin/start",
               "provision": "bin/provision", "health": "bin/health", "restore": "bin/restore" },
  "provision": "when-required",                       // always | when-required | never
  "timeouts": { "upgrade": "45m", "reboot": "15m", "health": "2m" },
  "health": { "interval": "1s", "stable": "10s" },     // how long it must stay healthy; 0s = one pass
  "quiet": false,                                     // true: stop/start around a backup
  "backup": { "paths": ["/opt/acme", "/etc/acme"], "exclude": ["*.tmp"] },
}`;

const SMALL = { schema: 1, product: 'p', version: '1', scripts: { version: 'v', upgrade: 'u' } };

function refused(text: string): ClusterliftError {
  try {
    parseManifest(text, 'a.iso/upgrade.json');
  } catch (error) {
    assert.ok(error instanceof ClusterliftError, String(error));
    assert.equal(error.code, 'manifest-invalid');
    assert.equal(error.exit, 3);
    return error;
  }
  assert.fail('it was taken');
}

const with_ = (changes: object): string => JSON.stringify({ ...SMALL, ...changes });

describe('the manifest of a package', () => {
  it('is read as in the documentation, comments included', () => {
    const { manifest } = parseManifest(EXAMPLE);
    assert.equal(manifest.needs.disk, 2 * 1024 ** 3);
    assert.equal(manifest.timeouts.upgrade, 45 * 60_000);
    assert.deepEqual(manifest.health, { interval: 1000, stable: 10_000 });
    assert.deepEqual(manifest.backup, { paths: ['/opt/acme', '/etc/acme'], exclude: ['*.tmp'] });
    assert.equal(manifest.scripts.restore, 'bin/restore');
    assert.equal(manifest.compatible.from, '>=23.1');
  });

  it('needs only schema, product, version and two scripts', () => {
    const { manifest } = parseManifest(JSON.stringify(SMALL));
    assert.equal(manifest.provision, 'when-required');
    assert.equal(manifest.idempotent, false);
    assert.equal(manifest.timeouts.upgrade, 30 * 60_000);
    assert.deepEqual(manifest.health, { interval: 1000, stable: 0 });
    assert.equal(manifest.scripts.stop, undefined);
    assert.equal(manifest.backup, undefined);
    assert.equal(manifest.compatible.range, undefined);
  });

  it('is the same again from its JSON value', () => {
    const { manifest, value } = parseManifest(EXAMPLE);
    assert.deepEqual(manifestOf(JSON.parse(JSON.stringify(value))), manifest);
  });

  it('says line and column of what is wrong', () => {
    const error = refused('{\n  "schema": 1,\n  "product": 7\n}');
    assert.deepEqual(error.at, { file: 'a.iso/upgrade.json', line: 3, column: 14 });
    assert.match(error.message, /^a\.iso\/upgrade\.json:3:14: "product" must be a name/);
    assert.match(error.message, /more\)$/);
  });

  it('names a missing key, and an unknown one with the one that was meant', () => {
    assert.match(refused('{"schema":1}').message, /is missing/);
    const error = refused('{\n "scrips": {}, ' + JSON.stringify(SMALL).slice(1));
    assert.match(error.message, /:2:2: the key "scrips" is unknown/);
    assert.match(error.hint, /Did you mean "scripts"/);
    const inner = refused(with_({ scripts: { version: 'v', upgrade: 'u', halth: 'h' } }));
    assert.match(inner.hint, /Did you mean "health"/);
  });

  const bad: [string, object][] = [
    ['another schema', { schema: 2 }],
    ['a product that is no plain name', { product: '../x' }],
    ['a version without a digit', { version: 'new' }],
    ['a version as a number', { version: 24.2 }],
    ['a version with a blank', { version: '24 2' }],
    ['a script outside the image', { scripts: { version: 'v', upgrade: '../upgrade' } }],
    ['an absolute script', { scripts: { version: 'v', upgrade: '/bin/sh' } }],
    ['a script with a line break', { scripts: { version: 'v', upgrade: 'a\nb' } }],
    ['a range that cannot be understood', { compatible: { from: '^23' } }],
    ['a time-out of nothing', { timeouts: { upgrade: '0s' } }],
    ['a time-out without a unit', { timeouts: { upgrade: '30' } }],
    ['a size without a number', { needs: { disk: 'big' } }],
    ['a backup of everything', { backup: { paths: ['/'] } }],
    ['a backup path that climbs', { backup: { paths: ['/opt/../etc'] } }],
    ['a relative backup path', { backup: { paths: ['opt'] } }],
    ['no backup path', { backup: { paths: [] } }],
    ['a word for provision that does not exist', { provision: 'sometimes' }],
    ['a role with a blank', { roles: ['data base'] }],
    ['a command with a slash', { needs: { commands: ['/bin/tar'] } }],
  ];
  for (const [what, changes] of bad) {
    it(`is refused for ${what}`, () => {
      assert.match(refused(with_(changes)).message, /must/);
    });
  }

  it('cannot bring a recipe of its own', () => {
    assert.match(refused(with_({ recipe: { run: 'x', version: 'y' } })).message, /the key "recipe" is unknown/);
  });

  it('is refused when it is no JSON, empty, another thing, too deep, or has a key twice', () => {
    for (const text of [
      '',
      '  // nothing\n',
      '{',
      '[]',
      '7',
      '"x"',
      'null',
      '{"a":}',
      '['.repeat(100_000),
      '{"a":'.repeat(100_000),
    ]) {
      refused(text);
    }
    assert.match(refused('{"schema":1,"schema":1}').message, /:1:13: the key "schema" is there twice/);
    refused('{"__proto__":{}}');
  });
});
