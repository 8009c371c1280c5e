import { strict as assert } from 'node:assert';
import type { Probe } from '../../../src/backup/probe';
import { restoreSpace, undoSpace } from '../../../src/backup/space';
import { samplePoint } from './sample';

const MIB = 1024 * 1024;
const [part] = Object.values(samplePoint(['n1']).nodes);
if (!part) throw new Error('no part');

/** A node whose application takes 40 MiB of `device`; the location is a directory at `location`. */
function node(free: number, location: string | undefined): { node: string; probe: Probe } {
  const path = { path: '/opt/acme', real: '/opt/acme', free: free * MIB, device: '/', bytes: 40 * MIB };
  return {
    node: 'n1',
    probe: {
      paths: [{ ...path, changed: 0, stage: '/opt', unsafe: undefined, loose: false }],
      state: { free: free * MIB, device: '/' },
      tar: 'gnu',
      lost: [],
      mounts: new Map([
        ['/', 'ext4'],
        ['/var/backups', 'ext4'],
      ]),
      facts: {
        node: 'n1',
        stateDir: '/var/lib/clusterlift',
        home: '/root',
        mounts: ['/', '/var/backups'],
        location,
        real: {},
        unsafe: {},
      },
    },
  };
}

describe('room for a restore and for what it replaces', () => {
  const comes = { ...part, treeBytes: 30 * MIB };
  const codes = (free: number, location: string | undefined): string[] =>
    undoSpace(node(free, location), comes).map(({ code }) => code);

  it('is counted together where the archive lies on the file system of the paths', () => {
    assert.deepEqual(restoreSpace(node(69, '/srv/points'), comes), []);
    assert.deepEqual(codes(69, '/srv/points'), ['backup-space']);
    assert.deepEqual(codes(70, '/srv/points'), []);
  });

  it('is counted apart where it lies on another one, or on a server', () => {
    assert.deepEqual(codes(69, '/var/backups/points'), []);
    assert.deepEqual(codes(69, '/var/backups'), []);
    assert.deepEqual(codes(69, '/var/backupsold'), ['backup-space']);
    assert.deepEqual(codes(69, undefined), []);
  });
});
