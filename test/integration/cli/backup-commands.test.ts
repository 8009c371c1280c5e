import { strict as assert } from 'node:assert';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type CliResult, said } from '../../lab/cli';
import { resticProgram } from '../../lab/restic';
import {
  type BackupScene,
  backupScene,
  censusOf,
  createPoint,
  elsewhere,
  pointsOf,
  VAULT,
  withRestic,
} from './backup-scene';
import { needsLab, outcomes, run, start, writtenFiles } from './scene';

const SECRET = 'not to be seen 4711';

describe('the backup commands', function () {
  this.timeout(300_000);
  let scene: BackupScene;
  before(async function () {
    needsLab(this);
    scene = await backupScene([{}, {}], { backup: { paths: ['/etc/acme', '/opt/acme'] } });
  });
  after(() => scene.lab.stop());

  const file = (): string => join(scene.lab.home, '.config/clusterlift/clusters.json');
  async function fails(args: readonly string[], status: number, words: RegExp): Promise<CliResult> {
    const result = await run(scene.lab, args, status);
    assert.match(result.stderr, words, said(result));
    return result;
  }

  describe('backup add', () => {
    it('takes no name that means something else, no address with a password, and nothing that it cannot write to', async () => {
      const before = await readFile(file(), 'utf8');
      for (const name of ['none', 'None', 'NONE', 'localbackup', '../x']) {
        await fails(['backup', 'add', name, 'file:///var/backups/acme'], 2, /location-name/);
      }
      for (const uri of [
        `sftp://me:${encodeURIComponent(SECRET)}@${scene.vault.host}/srv`,
        `restic:rest:https://me:${encodeURIComponent(SECRET)}@host/`,
      ]) {
        const result = await fails(['backup', 'add', 'x', uri], 2, /location-password/);
        assert.match(result.stderr.replace(/\s+/g, ' '), /unattended: CLUSTERLIFT_(BACKUP|RESTIC)_PASSWORD/);
        assert.doesNotMatch(result.stderr + result.stdout, /4711/);
      }
      await fails(['backup', 'add', 'x', 'ftp://host/x'], 2, /location-uri/);
      await fails(['backup', 'add', 'files', 'file:///var/backups/other'], 2, /config-exists/);
      await fails(['backup', 'add', 'x', `sftp://root@${scene.vault.host}:1/srv/x`], 3, /host-unreachable/);
      await fails(['backup', 'add', 'x', `sftp://root@${scene.vault.host}/proc/x`], 3, /server-/);
      await fails(['backup', 'add', 'x', 'file:///proc/x'], 3, /backup-write/);
      assert.equal(await readFile(file(), 'utf8'), before);
    });

    it('makes the place, writes it down where comments and layout stay, and remove takes it out again', async () => {
      const commented = (await readFile(file(), 'utf8')).replace(
        '"backupLocations": {',
        '// where it goes\n  "backupLocations": { // and how',
      );
      await writeFile(file(), commented);
      const added = await run(
        scene.lab,
        ['backup', 'add', 'more', `sftp://root@${scene.vault.host}/srv/made/for/it`],
        0,
      );
      assert.deepEqual(Object.keys(added.events[0] ?? {}).sort(), ['created', 'free', 'name', 'uri']);
      assert.ok(await scene.vault.exists('/srv/made/for/it'));
      const after = await readFile(file(), 'utf8');
      const line = `    "more": "sftp://root@${scene.vault.host}/srv/made/for/it"`;
      assert.equal(after.replace(`,\n${line}`, ''), commented);
      const listed = await run(scene.lab, ['backup', 'list'], 0, withRestic);
      assert.deepEqual(
        listed.events.map((each) => [each['name'], each['reachable'], each['points']]),
        [
          ['localbackup', true, 0],
          ['files', true, 0],
          ['vault', true, 0],
          ['restic', false, undefined],
          ['more', true, 0],
        ],
      );
      await run(scene.lab, ['backup', 'remove', 'more'], 0);
      assert.equal(await readFile(file(), 'utf8'), commented);
      await fails(['backup', 'remove', 'more'], 2, /config-not-there/);
    });

    it('asks for the password of a repository on the terminal, and keeps it in no file', async function () {
      if (resticProgram() === undefined || !existsSync('/usr/bin/script')) this.skip();
      const cli = process.env['CLUSTERLIFT_CLI'] ?? resolve(__dirname, '../../../dist/cli.js');
      const child = spawn(
        'script',
        ['-qefc', `${process.execPath} ${cli} backup add asked restic:/var/backups/asked`, '/dev/null'],
        {
          env: scene.lab.env({ TERM: 'xterm' }),
          cwd: scene.lab.home,
        },
      );
      let shown = '';
      child.stdout.on('data', (data: Buffer) => {
        shown += data.toString();
        if (shown.includes('Password for the restic repository of location asked') && child.stdin.writable)
          child.stdin.end(`${SECRET}\n`);
      });
      const [status] = (await once(child, 'close')) as [number];
      assert.equal(status, 0, shown);
      assert.match(shown, /Added asked: restic:\/var\/backups\/asked.*; the repository was created/s);
      assert.doesNotMatch(shown + (await readFile(file(), 'utf8')), /4711/);
      const env = { CLUSTERLIFT_RESTIC_PASSWORD: SECRET };
      assert.deepEqual(await pointsOf(scene, 'asked', { env }), []);
      await run(scene.lab, ['backup', 'remove', 'asked'], 0);
    });
  });

  describe('backup create and restore', () => {
    let id: string;
    let was: string[];
    before(async () => {
      was = await censusOf(scene.nodes);
      id = await createPoint(scene, 'vault');
    });

    it('show what they would do and change nothing, neither there nor here', async () => {
      const other = await elsewhere(scene);
      const looked = (): Promise<string[]> => Promise.all(scene.nodes.map(writtenFiles));
      const before = [await looked(), await scene.vault.must(`find ${VAULT} | sort`)];
      const create = await run(scene.lab, ['backup', 'create', 'vault', '--dry-run'], 0, other);
      assert.deepEqual([create.events[0]?.type, create.finished?.outcome], ['plan', 'succeeded']);
      const restore = await run(scene.lab, ['backup', 'restore', id, '--dry-run'], 0, other);
      assert.equal(restore.events[0]?.type, 'plan');
      assert.deepEqual([await looked(), await scene.vault.must(`find ${VAULT} | sort`)], before);
      assert.ok(!existsSync(join(other.cwd ?? '', '.local/state')), 'a journal was begun');
    });

    it('restore only when somebody said yes, from wherever the point lies', async () => {
      for (const node of scene.nodes) await node.must('echo later > /opt/acme/program');
      const later = await censusOf(scene.nodes);
      const unsure = await fails(['backup', 'restore', id], 2, /confirmation-needed/);
      assert.equal(unsure.events.at(-1)?.type, 'run.finished');
      assert.deepEqual(await censusOf(scene.nodes), later);
      await fails(['backup', 'restore', '20260101T000000Z-lab-ffffff', '--yes'], 2, /point-unknown/);
      await fails(['backup', 'restore', id, '--location', 'files', '--yes'], 2, /point-unknown/);
      await fails(['backup', 'create', 'nowhere'], 2, /location-unknown/);
      const result = await run(scene.lab, ['backup', 'restore', id, '--yes'], 0);
      assert.deepEqual(outcomes(result), { n1: 'restored', n2: 'restored' });
      assert.deepEqual(await censusOf(scene.nodes), was);
    });

    it('back up the named nodes only, and restore what the point has', async () => {
      const created = await run(scene.lab, ['backup', 'create', 'vault', '--nodes', 'n2'], 0);
      assert.deepEqual(outcomes(created), { n2: 'backed-up' });
      const point = (await pointsOf(scene, 'vault')).at(-1);
      assert.deepEqual(Object.keys(point?.nodes ?? {}), ['n2']);
      await fails(['backup', 'restore', point?.id ?? '', '--nodes', 'n1', '--yes'], 2, /point-node/);
      const restored = await run(scene.lab, ['backup', 'restore', point?.id ?? '', '--yes'], 0);
      assert.deepEqual(outcomes(restored), { n2: 'restored' });
      await start(scene.lab, ['backup', 'verify', id]).done;
    });
  });
});
