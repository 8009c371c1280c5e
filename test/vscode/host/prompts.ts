import { strict as assert } from 'node:assert';
import * as vscode from 'vscode';
import type { Question, SecretTarget } from '../../../src/ssh/connection';
import { WindowAsker } from '../../../src/vscode/prompts';
import { SecretStore } from '../../../src/vscode/shared/secrets';

const TARGET = { file: '/w/clusters.json', cluster: 'lab', host: 'h', port: 22, user: 'u' };

/** All kinds; a confirmation by name has a dialog, which the editor does not show here: tasks.test.ts. */
const QUESTIONS: readonly Question[] = [
  { kind: 'host-key', node: 'n1', host: 'h', keyType: 'ssh-ed25519', fingerprint: 'SHA256:x' },
  { kind: 'password', node: 'n1', user: 'u', host: 'h', retry: false, target: TARGET },
  { kind: 'passphrase', node: 'n1', file: '/key', retry: false },
  { kind: 'become-password', node: 'n1', user: 'u', retry: false, target: TARGET },
  { kind: 'otp', node: 'n1', prompt: 'Code', echo: false },
  { kind: 'restic-password', location: 'vault', repository: 'rest:https://backup/' },
  { kind: 'url-auth', url: 'https://example.org/a.iso' },
  { kind: 'confirm', text: 'Go on with the plan?', typeName: undefined },
  { kind: 'decide', node: 'n1', text: 'It is not known.', choices: ['retry', 'done', 'failed'] },
];

function question(index: number): Question {
  const found = QUESTIONS[index];
  assert.ok(found);
  return found;
}

/** A secret storage in memory: that of the editor in a browser forgets with each reload. */
class Memory implements vscode.SecretStorage {
  readonly kept = new Map<string, string>();
  readonly onDidChange = new vscode.EventEmitter<vscode.SecretStorageChangeEvent>().event;
  get = (key: string): Thenable<string | undefined> => Promise.resolve(this.kept.get(key));
  keys = (): Thenable<string[]> => Promise.resolve([...this.kept.keys()]);
  store = (key: string, value: string): Thenable<void> => Promise.resolve(void this.kept.set(key, value));
  delete = (key: string): Thenable<void> => Promise.resolve(void this.kept.delete(key));
}

function memento(): vscode.Memento {
  const values = new Map<string, unknown>();
  return {
    keys: () => [...values.keys()],
    get: (key: string, other?: unknown) => values.get(key) ?? other,
    update: (key: string, value: unknown) => Promise.resolve(void values.set(key, value)),
  } as vscode.Memento;
}

describe('questions of a run', () => {
  let storage: Memory;
  let secrets: SecretStore;
  let asker: WindowAsker;

  beforeEach(() => {
    storage = new Memory();
    secrets = new SecretStore(storage, memento());
    asker = new WindowAsker(secrets);
  });

  /** Does it again until the promise is settled: a prompt takes a moment to show. */
  async function until<T>(promise: Promise<T>, act: () => unknown): Promise<T> {
    let done = false;
    void promise.finally(() => (done = true));
    for (let tries = 0; tries < 200 && !(done as boolean); tries++) {
      await new Promise((resolve) => setTimeout(resolve, 25));
      await act();
    }
    assert.ok(done, 'it goes on');
    return promise;
  }
  const escape = (): Thenable<unknown> => vscode.commands.executeCommand('workbench.action.closeQuickOpen');

  for (const question of QUESTIONS) {
    it(`can be cancelled, and are closed when somebody else has answered: ${question.kind}`, async () => {
      assert.equal(await until(asker.ask(question), escape), undefined);
      const stop = new AbortController();
      const asked = asker.ask(question, stop.signal);
      assert.equal(await until(asked, () => stop.abort()), undefined);
      assert.equal(storage.kept.size, 0);
    });
  }

  it('come one after the other, and a cancel counts for one', async () => {
    const stop = new AbortController();
    const first = asker.ask(question(4), stop.signal);
    const second = asker.ask(question(8));
    let over = false;
    void second.finally(() => (over = true));
    assert.equal(await until(first, () => stop.abort()), undefined);
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal(over, false);
    assert.equal(await until(second, escape), undefined);
  });

  it('are answered by what is kept, until it is refused or forgotten', async () => {
    const password = QUESTIONS[1] as Extract<Question, { kind: 'password' }>;
    await secrets.keep(JSON.stringify(['ssh', '/w/clusters.json', 'lab', 'u', 'h', '22']), 'open sesame');
    await secrets.keep(JSON.stringify(['key', '/key']), 'other');
    assert.equal(await asker.ask(password), 'open sesame');
    assert.equal(await asker.ask(password), 'open sesame');
    // Refused: it is not sent a second time, and a person is asked.
    assert.equal(await until(asker.ask({ ...password, retry: true }), escape), undefined);
    assert.deepEqual(secrets.names(), [JSON.stringify(['key', '/key'])]);
    assert.equal(await secrets.forget(), 1);
    assert.equal(storage.kept.size, 0);
    assert.deepEqual(secrets.names(), []);
  });

  it('of another machine, port, user, cluster, file or host key are answered by nothing that is kept', async () => {
    const kinds = [1, 3].map((index) => QUESTIONS[index] as Extract<Question, { target?: SecretTarget | undefined }>);
    for (const asked of kinds) {
      const own = { ...TARGET, hostKey: 'SHA256:own' };
      const keys = [
        ['ssh', own.file, own.cluster, own.user, own.host, '22'],
        ['root', own.file, own.cluster, own.user, own.host, '22', own.hostKey],
      ];
      for (const key of keys) await secrets.keep(JSON.stringify(key), 'open sesame');
      assert.equal(await secrets.recall({ ...asked, target: own }), 'open sesame');
      const others: Partial<SecretTarget>[] = [
        { host: 'other' },
        { port: 2222 },
        { user: 'other' },
        { cluster: 'other' },
        { file: '/other/clusters.json' },
        ...(asked.kind === 'become-password' ? [{ hostKey: 'SHA256:other' }, { hostKey: undefined }] : []),
      ];
      for (const other of others) {
        assert.equal(
          await secrets.recall({ ...asked, target: { ...own, ...other } }),
          undefined,
          JSON.stringify(other),
        );
      }
      assert.equal(await secrets.recall({ ...asked, target: undefined }), undefined);
    }
  });

  it('of one-time codes, host keys and decisions are answered by nothing that is kept', async () => {
    for (const index of [0, 4, 7, 8]) {
      const asked = question(index);
      await storage.store('clusterlift.secret.n1', 'x');
      assert.equal(await until(asker.ask(asked), escape), undefined);
    }
  });
});
