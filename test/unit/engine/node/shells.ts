import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Asker, NodeConnection } from '../../../../src/ssh/connection';
import { LocalConnection } from '../../../../src/ssh/reach/local';
import { Secrets } from '../../../../src/ssh/secrets';

/** This machine as a node, with a state directory of its own for each test. */
export interface Place {
  readonly node: NodeConnection;
  /** A directory with a blank and a quote in its name: nothing may depend on plain names. */
  readonly root: string;
  readonly stateDir: string;
}

const BUSYBOX = '/bin/busybox';

const nobody: Asker = { ask: () => Promise.resolve(undefined) };

/** Declares the same tests twice: with the `sh` of this machine, and with busybox and its own tools only. */
export function underBothShells(title: string, declare: (place: () => Place) => void): void {
  for (const shell of ['sh', 'busybox'] as const) {
    describe(`${title} (${shell})`, () => {
      let place: Place | undefined;
      let path: string | undefined;

      before(function () {
        // Both need /proc; the lab says loudly what it lacks.
        if (process.platform !== 'linux' || (shell === 'busybox' && !existsSync(BUSYBOX))) this.skip();
      });

      beforeEach(async () => {
        const base = await mkdtemp(join(tmpdir(), 'clusterlift-node-'));
        const root = join(base, "it's a place");
        await mkdir(root);
        path = process.env['PATH'];
        if (shell === 'busybox') process.env['PATH'] = `${await busyboxAsSh(base)}:${path ?? ''}`;
        const node = new LocalConnection({
          node: { name: 'n1', become: 'none' },
          asker: nobody,
          secrets: new Secrets(),
        });
        place = { node, root, stateDir: join(root, 'state') };
      });

      afterEach(async () => {
        process.env['PATH'] = path;
        if (place) await rm(join(place.root, '..'), { recursive: true, force: true, maxRetries: 5 });
      });

      declare(() => {
        if (!place) throw new Error('only inside a test');
        return place;
      });
    });
  }
}

// Debian's busybox prefers its own applets over programs, whatever the PATH says.
async function busyboxAsSh(base: string): Promise<string> {
  const bin = join(base, 'bin');
  await mkdir(bin);
  await symlink(BUSYBOX, join(bin, 'sh'));
  return bin;
}
