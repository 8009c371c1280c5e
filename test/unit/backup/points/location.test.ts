import { strict as assert } from 'node:assert';
import { hasCode } from '../../../../src/base/errors';
import { checkLocationName, findLocation, localBackup, parseLocation } from '../../../../src/backup/points/location';

const parse = (uri: string): unknown => {
  const rest: Record<string, unknown> = { ...parseLocation({ name: 'x', uri }) };
  delete rest['name'];
  delete rest['uri'];
  return rest;
};

describe('backup locations', () => {
  it('understands a directory on each node', () => {
    assert.deepEqual(parse('file:///srv/my%20backups/'), { kind: 'directory', path: '/srv/my backups' });
  });

  it('understands a server, with and without user and port', () => {
    assert.deepEqual(parse('sftp://backup@10.0.0.5/srv/backups'), {
      kind: 'sftp',
      user: 'backup',
      host: '10.0.0.5',
      port: undefined,
      path: '/srv/backups',
    });
    assert.deepEqual(parse('sftp://[fe80::1]:2222/b'), {
      kind: 'sftp',
      user: undefined,
      host: 'fe80::1',
      port: 2222,
      path: '/b',
    });
  });

  it('understands a restic repository', () => {
    assert.deepEqual(parse('restic:rest:https://10.0.0.6:8000/'), {
      kind: 'restic',
      repository: 'rest:https://10.0.0.6:8000/',
    });
    assert.deepEqual(parse('restic:/srv/repo'), { kind: 'restic', repository: '/srv/repo' });
    assert.deepEqual(parse('restic:sftp:backup@host:/repo'), { kind: 'restic', repository: 'sftp:backup@host:/repo' });
  });

  for (const uri of ['sftp://backup:geheim@host/x', 'restic:rest:https://u:geheim@host/', 'sftp://backup:@host/x']) {
    it(`refuses the password in ${uri.replace('geheim', '…')} without showing it`, () => {
      assert.throws(
        () => parse(uri),
        (error) => hasCode(error, 'location-password') && !`${error.message}${error.hint}`.includes('geheim'),
      );
    });
  }

  for (const uri of [
    'file://srv/x',
    'file:///',
    'file:///a/../b',
    'file:///a//b',
    'file:///a%0ab',
    'file:///%zz',
    'sftp://host',
    'sftp:///x',
    'sftp://h:99999/x',
    'sftp://h:0/x',
    'sftp://-oProxyCommand=x/y',
    'sftp://@h/x',
    'restic:',
    'restic:-x',
    'restic:rel/ative',
    'ftp://h/x',
    '/srv/x',
    'file:///a b',
    'sftp://h/',
    '',
  ]) {
    it(`refuses ${JSON.stringify(uri)}`, () => {
      assert.throws(
        () => parse(uri),
        (error) => hasCode(error, 'location-uri'),
      );
    });
  }

  it('never lets none or localbackup be the name of a location', () => {
    for (const name of ['none', 'None', 'NONE', 'localbackup', '', 'a b', '-x']) {
      assert.throws(
        () => checkLocationName(name),
        (error) => hasCode(error, 'location-name'),
      );
    }
    checkLocationName('nightly');
  });

  it('always knows localbackup, and names what it knows when asked for something else', () => {
    assert.deepEqual(findLocation('localbackup', []), localBackup());
    assert.throws(
      () => findLocation('x', [{ name: 'nightly', uri: 'file:///b' }]),
      (error) => hasCode(error, 'location-unknown') && error.hint.includes('localbackup, nightly'),
    );
  });
});
