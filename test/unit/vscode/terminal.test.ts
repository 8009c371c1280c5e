import { strict as assert } from 'node:assert';
import { createRequire } from 'node:module';
import type { Command } from '../../../src/command/command';
import { RunTerminal, type GoesOn, type TerminalDeps } from '../../../src/vscode/runs/terminal';
import { until } from '../../vscode/harness/until';

/** What the stand-in for the editor keeps. */
const { shown } = createRequire(__filename)('./stub.cjs') as { shown: string[] };

describe('A task terminal that is closed before there is a plan', () => {
  /** The run ends before it has begun. */
  const secrets = async (): Promise<never> => Promise.reject(new Error('the process did not start'));

  function closed(command: Command): GoesOn[] {
    const told: GoesOn[] = [];
    const deps = {
      hub: { join: () => ({ dispose: () => undefined }) },
      looker: { look: () => new Promise(() => undefined) },
      secrets,
      onDetached: (what: GoesOn) => told.push(what),
    } as unknown as TerminalDeps;
    const terminal = new RunTerminal({ kind: 'command', command, cwd: '/' }, deps);
    terminal.open(undefined);
    terminal.close();
    return told;
  }

  it('says that the run is being prepared, and how that ended', async () => {
    const [what, ...more] = closed({ kind: 'upgrade', options: { cluster: 'staging' } });
    assert.ok(what && 'preparing' in what);
    assert.equal(what.preparing, 'upgrade staging');
    assert.deepEqual(more, []);
    await until('how it ended', () => Promise.resolve(shown.length > 0));
    assert.match(shown[0] ?? '', /^upgrade staging ended before anything was changed: the process did not start$/);
  });

  it('says nothing of what only looks: that ends with its terminal', () => {
    assert.deepEqual(closed({ kind: 'check', options: {} }), []);
  });
});
