import { strict as assert } from 'node:assert';
import { readdirSync, readFileSync } from 'node:fs';
import * as vscode from 'vscode';
import manifest from '../../../package.json';

const FORGED = {
  id: 'x#staging',
  label: 'staging',
  cluster: { name: 'staging', production: false, primary: 'n1', nodes: [{ name: 'n1', roles: [] }], upgrade: {} },
  file: { path: '/nowhere/clusters.json', clusters: [], locations: [] },
  folder: undefined,
};

/** Processes that this extension host started and that are ours. */
function ours(): string[] {
  return readdirSync('/proc')
    .filter((each) => /^\d+$/.test(each))
    .filter((pid) => read(`/proc/${pid}/status`).includes(`PPid:\t${String(process.pid)}\n`))
    .map((pid) => read(`/proc/${pid}/cmdline`))
    .filter((line) => line.includes('cli.js'));
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Runs a command to its end; a prompt that it opens is closed. */
async function run(command: string, ...args: unknown[]): Promise<void> {
  let done = false;
  const running = Promise.resolve(vscode.commands.executeCommand(command, ...args)).finally(() => (done = true));
  for (let tries = 0; tries < 100 && !(done as boolean); tries++) {
    await Promise.race([running.catch(() => undefined), new Promise((resolve) => setTimeout(resolve, 50))]);
    await vscode.commands.executeCommand('workbench.action.closeQuickOpen');
  }
  assert.ok(done, `${command} came to no end`);
  await running;
}

/** What the editor gives within some seconds. It asks a person for trust first, and here nobody answers. */
async function soon<T>(given: Thenable<T>): Promise<T | undefined> {
  const late = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 3_000));
  return Promise.race([given.then(undefined, () => undefined), late]);
}

describe('the extension in a folder that is not trusted', () => {
  before(async () => {
    await vscode.extensions.getExtension('clusterlift.clusterlift')?.activate();
    assert.equal(vscode.workspace.isTrusted, false);
  });

  it('runs no command that connects, however it is called', async () => {
    for (const { command } of manifest.contributes.commands) {
      await run(command);
      await run(command, { kind: 'cluster', ref: FORGED });
      await run(command, { kind: 'node', ref: FORGED, node: FORGED.cluster.nodes[0] });
      assert.deepEqual(ours(), [], command);
    }
    await run('clusterlift.refreshOld');
    assert.deepEqual(ours(), []);
  });

  it('provides no task', async () => {
    const provided = await soon(vscode.tasks.fetchTasks({ type: 'clusterlift' }));
    assert.deepEqual(provided?.map(({ name }) => name) ?? [], []);
  });

  it('runs no task of tasks.json', async () => {
    await soon(vscode.commands.executeCommand('workbench.action.tasks.runTask', 'up'));
    assert.deepEqual(vscode.tasks.taskExecutions, []);
    assert.deepEqual(ours(), []);
  });

  it('has read no clusters.json: its mistake is not told', () => {
    assert.deepEqual(
      vscode.languages.getDiagnostics().filter(([, all]) => all.some(({ source }) => source === 'Clusterlift')),
      [],
    );
  });

  it('wants trust for every command but those that look at this machine only', () => {
    const free = manifest.contributes.commands
      .filter((each) => !('enablement' in each))
      .map(({ command }) => command.replace('clusterlift.', ''));
    assert.deepEqual(free.sort(), [
      'filter',
      'follow',
      'forgetSecrets',
      'openClustersFile',
      'openNodeLog',
      'openRunFolder',
      'showLog',
      'showNodeOutput',
      'stop',
    ]);
  });
});
