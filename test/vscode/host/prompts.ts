import { strict as assert } from 'node:assert';
import * as vscode from 'vscode';
import type { Question } from '../../../src/ssh/connection';
import { WindowAsker } from '../../../src/vscode/prompts';
import { SecretStore } from '../../../src/vscode/secrets';

/** All kinds; a confirmation by name has a dialog, which the editor does not show here: tasks.test.ts. */
const QUESTIONS: readonly Question[] = [
  { kind: 'host-key', node: 'n1', host: 'h', keyType: 'ssh-ed25519', fingerprint: 'SHA256:x' },
  { kind: 'password', node: 'n1', user: 'u', host: 'h', retry: false },
  { kind: 'passphrase', node: 'n1', file: '/key', retry: false },
  { kind: 'become-password', node: 'n1', user: 'u', retry: false },
  { kind: 'otp', node: 'n1', prompt: 'Code', echo: false },
  { kind: 'restic-password', location: 'vault' },
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
    await secrets.keep('u@h', 'open sesame');
    await secrets.keep('/key', 'other');
    assert.equal(await asker.ask(password), 'open sesame');
    assert.equal(await asker.ask(password), 'open sesame');
    // Refused: it is not sent a second time, and a person is asked.
    assert.equal(await until(asker.ask({ ...password, retry: true }), escape), undefined);
    assert.deepEqual(secrets.names(), ['/key']);
    assert.equal(await secrets.forget(), 1);
    assert.equal(storage.kept.size, 0);
    assert.deepEqual(secrets.names(), []);
  });

  it('of one-time codes, host keys and decisions are answered by nothing that is kept', async () => {
    for (const index of [0, 4, 7, 8]) {
      const asked = question(index);
      await storage.store('clusterlift.secret.n1', 'x');
      assert.equal(await until(asker.ask(asked), escape), undefined);
    }
  });
});
