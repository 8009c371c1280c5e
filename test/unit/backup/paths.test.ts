import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { checkPaths, isAtOrBelow, locationExcludes, type PathFacts } from '../../../src/backup/paths';

const facts: PathFacts = {
  node: 'n1',
  stateDir: '/var/lib/clusterlift',
  home: '/home/platform',
  mounts: ['/', '/proc', '/srv/data', '/opt/big/inner'],
  location: '/backup/nightly',
  real: {},
  unsafe: {},
};

function codes(paths: string[], changes: Partial<PathFacts> = {}, purpose: 'backup' | 'restore' = 'restore'): string[] {
  return checkPaths(paths, { ...facts, ...changes }, purpose).map((each) => `${each.level} ${each.code}`);
}

describe('paths of a backup', () => {
  it('takes the directories of an application', () => {
    assert.deepEqual(codes(['/opt/acme', '/etc/acme', '/var/lib/acme', '/home/platform/app', '/srv/app', '/app']), []);
  });

  for (const path of ['/', '/etc', '/usr', '/var', '/home', '/root', '/boot', '/opt', '/usr/bin', '/var/lib', '/tmp']) {
    it(`refuses ${path}`, () => {
      const found = codes([path]);
      assert.equal(found.length, 1);
      assert.match(found[0] ?? '', /^block path-/);
    });
  }

  const refused: [string, string, Partial<PathFacts>?][] = [
    ['/srv/data', 'path-mount'],
    ['/opt/big', 'path-mount'],
    ['/proc/1', 'path-system'],
    ['/var/lib/clusterlift', 'path-state'],
    ['/var/lib/clusterlift/backups', 'path-state'],
    ['/opt/state', 'path-state', { stateDir: '/opt/state/clusterlift' }],
    ['/backup', 'path-location'],
    ['/backup/nightly', 'path-location'],
    ['/backup/nightly/x', 'path-location'],
    ['/home/platform', 'path-home'],
    ['/data/users', 'path-home', { home: '/data/users/platform' }],
    ['/home/platform/.ssh', 'path-sshd'],
    ['/home/platform/.ssh/authorized_keys', 'path-sshd'],
    ['/etc/ssh', 'path-sshd'],
    ['/etc/ssh/sshd_config', 'path-sshd'],
    ['/etc/shadow', 'path-sshd'],
    ['opt/acme', 'path-relative'],
    ['', 'path-relative'],
    ['/opt/../etc', 'path-dots'],
    ['/opt/./acme', 'path-dots'],
    ['/opt//acme', 'path-slashes'],
    ['/opt/acme/', 'path-slashes'],
    ['/opt/ac\nme', 'path-control'],
    ['/opt/\u007f', 'path-control'],
  ];
  for (const [path, code, changes] of refused) {
    it(`refuses ${JSON.stringify(path)} with ${code}`, () => {
      assert.deepEqual(codes([path], changes), [`block ${code}`]);
    });
  }

  it('looks at where a path leads, not only at its name', () => {
    assert.deepEqual(codes(['/opt/link/x'], { real: { '/opt/link/x': '/etc/ssh' } }), ['block path-sshd']);
    assert.deepEqual(codes(['/a/x', '/b/x'], { real: { '/a/x': '/data/x', '/b/x': '/data/x' } }), [
      'block path-nested',
    ]);
  });

  it('refuses what a link of somebody else could lead elsewhere, in a backup as in a restore', () => {
    const unsafe = { '/srv/app/current/conf': 'a link that user 1000 can exchange leads to /etc' };
    for (const purpose of ['backup', 'restore'] as const) {
      const found = checkPaths(['/srv/app/current/conf', '/srv/app/data'], { ...facts, unsafe }, purpose);
      assert.deepEqual(
        found.map((each) => [each.code, each.level, each.path]),
        [['path-unsafe', 'block', '/srv/app/current/conf']],
      );
      assert.match(found[0]?.message ?? '', /user 1000 can exchange leads to \/etc/);
    }
  });

  it('knows the state directory and the location by where their links lead', () => {
    const real = { '/var/lib/clusterlift': '/opt/acme/state', '/backup/nightly': '/srv/app/points' };
    assert.deepEqual(codes(['/opt/acme'], { real }), ['block path-state']);
    assert.deepEqual(codes(['/srv/app'], { real }), ['block path-location']);
    assert.deepEqual(codes(['/srv/app'], { real }, 'backup'), ['warn location-inside']);
    assert.deepEqual(locationExcludes(['/srv/app'], { ...facts, real }), ['/srv/app/points']);
    // The parent of both is a link: the name as written is left out as well.
    const linked = { ...facts, location: '/link/app/bk', real: { '/link/app': '/data/app' } };
    assert.deepEqual(locationExcludes(['/link/app'], linked), ['/link/app/bk']);
  });

  it('refuses nested and repeated paths, naming the inner one', () => {
    const found = checkPaths(['/opt/acme/etc', '/opt/acme'], facts, 'backup');
    assert.deepEqual(
      found.map((each) => [each.code, each.path]),
      [['path-nested', '/opt/acme/etc']],
    );
    assert.deepEqual(codes(['/opt/acme', '/opt/acme']), ['block path-nested']);
    assert.deepEqual(codes(['/opt/acme', '/opt/acme2']), []);
  });

  it('only warns about a location inside the paths of a backup, and leaves it out', () => {
    assert.deepEqual(codes(['/backup'], {}, 'backup'), ['warn location-inside']);
    assert.deepEqual(locationExcludes(['/backup', '/opt/acme'], facts), ['/backup/nightly']);
    assert.deepEqual(locationExcludes(['/link'], { ...facts, real: { '/link': '/backup' } }), ['/link/nightly']);
  });

  it('refuses an empty list', () => {
    assert.deepEqual(codes([]), ['block path-none']);
  });

  it('never takes a path that contains or lies in something protected', () => {
    const part = fc.constantFrom(
      'var',
      'lib',
      'clusterlift',
      'home',
      'platform',
      '.ssh',
      'etc',
      'ssh',
      'backup',
      'nightly',
      'x',
      'opt',
    );
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), (parts) => {
        const path = `/${parts.join('/')}`;
        const blocked = codes([path]).length > 0;
        for (const protectedPath of ['/var/lib/clusterlift', '/backup/nightly', '/etc/ssh', '/home/platform/.ssh']) {
          if (isAtOrBelow(path, protectedPath) || isAtOrBelow(protectedPath, path)) assert.ok(blocked, path);
        }
      }),
    );
  });
});
