import { strict as assert } from 'node:assert';
import { createRequire } from 'node:module';
import { hasCode } from '../../../src/base/errors';
import type { Command } from '../../../src/command/command';
import { Queries } from '../../../src/vscode/shared/queries';
import { RunTerminal, type GoesOn, type TerminalDeps } from '../../../src/vscode/runs/terminal';
import { until } from '../../vscode/harness/until';

/** What the stand-in for the editor keeps. */
const { shown, workspace } = createRequire(__filename)('./stub.cjs') as {
  shown: string[];
  workspace: { isTrusted: boolean };
};

describe('A task terminal that is closed before there is a plan', () => {
  /** The run ends before it has begun. */
  const secrets = async (): Promise<never> => Promise.reject(new Error('the process did not start'));

  function closed(command: Command): GoesOn[] {
    const told: GoesOn[] = [];
    const deps = {
      hub: { join: () => ({ dispose: () => undefined }) },
      queries: { query: () => new Promise(() => undefined) },
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
    assert.match(shown[0] ?? '', /^"upgrade staging" ended before anything changed: the process did not start$/);
  });

  it('says nothing of what only looks: that ends with its terminal', () => {
    assert.deepEqual(closed({ kind: 'check', options: {} }), []);
  });
});

describe('In a folder that is not trusted', () => {
  before(() => (workspace.isTrusted = false));
  after(() => (workspace.isTrusted = true));

  /** Whoever starts a process looks here how. */
  const launcher = new Proxy({} as TerminalDeps['launcher'], {
    get: (_, key) => assert.fail(`a process was started: ${String(key)}`),
  });
  const asker = { ask: () => assert.fail('a person was asked') };
  const secrets = (): never => assert.fail('secrets were read');

  it('a task terminal starts no run, says why and ends with status 3', async () => {
    const hub = { join: () => ({ dispose: () => undefined }) };
    const deps = { hub, launcher, asker, secrets } as unknown as TerminalDeps;
    const command: Command = { kind: 'upgrade', options: { cluster: 'staging' } };
    const terminal = new RunTerminal({ kind: 'command', command, cwd: '/' }, deps);
    let text = '';
    terminal.onDidWrite((each) => (text += each));
    const closed = new Promise<number>((resolve) => terminal.onDidClose(resolve));
    terminal.open(undefined);
    assert.equal(await closed, 3);
    assert.match(text, /This folder is not trusted/);
  });

  it('nothing looks at a node, and no shell is opened', async () => {
    const queries = new Queries(launcher, asker, secrets);
    const untrusted = (error: unknown): boolean => hasCode(error, 'untrusted');
    await assert.rejects(queries.query(['status'], '/'), untrusted);
    const request = { cluster: 'staging', config: null, node: 'n1', cwd: '/', size: { columns: 80, rows: 24 } };
    await assert.rejects(
      queries.shell(request, () => undefined),
      untrusted,
    );
  });
});
