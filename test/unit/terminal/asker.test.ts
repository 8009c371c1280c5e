import { strict as assert } from 'node:assert';
import { EventEmitter } from 'node:events';
import { TerminalAsker } from '../../../src/terminal/asker';
import { Interrupts } from '../../../src/terminal/interrupts';
import { questionLine } from '../../../src/terminal/questions';
import type { Question } from '../../../src/ssh/connection';
import { Keyboard, Screen } from './screen';

const HOST_KEY: Question = {
  kind: 'host-key',
  node: 'n1',
  host: '10.0.0.11',
  keyType: 'ssh-ed25519',
  fingerprint: 'SHA256:abc',
};
const PASSWORD: Question = { kind: 'password', node: 'n1', user: 'ann', host: '10.0.0.11', retry: false };
const PRODUCTION: Question = { kind: 'confirm', text: 'Upgrade 3 nodes', typeName: 'prod' };
const DECIDE: Question = {
  kind: 'decide',
  node: 'n2',
  text: 'The outcome is unknown.',
  choices: ['retry', 'done', 'failed'],
};

function terminal() {
  const screen = new Screen();
  const keys = new Keyboard();
  const seen = { interrupts: 0, pauses: 0, resumed: 0 };
  const asker = new TerminalAsker({
    input: keys,
    output: screen,
    theme: () => ({ columns: 80, unicode: true, color: false }),
    pause: () => {
      seen.pauses++;
      return () => seen.resumed++;
    },
    onInterrupt: () => seen.interrupts++,
  });
  return { screen, keys, asker, seen };
}

describe('questions on a terminal', () => {
  it('shows the fingerprint and wants a whole yes to trust a host', async () => {
    const { asker, keys, screen, seen } = terminal();
    const answer = asker.ask(HOST_KEY);
    keys.type('y\r', 'yes\r');
    assert.equal(await answer, 'yes');
    assert.deepEqual(screen.text, [
      'The host key of 10.0.0.11 (node n1) is not known.',
      'ssh-ed25519 key, fingerprint SHA256:abc',
      'Compare the fingerprint with the one on the console of the node before you trust',
      'it.',
      '? Trust this key and remember it? (yes/no) y',
      'Please answer yes or no.',
      '? Trust this key and remember it? (yes/no) yes',
    ]);
    assert.deepEqual(seen, { interrupts: 0, pauses: 1, resumed: 1 });
  });

  it('never shows a password, not even its length, and gives the terminal back', async () => {
    const { asker, keys, screen } = terminal();
    const answer = asker.ask(PASSWORD);
    keys.type('hunter3', '\u007f', '2', '\r');
    assert.equal(await answer, 'hunter2');
    assert.equal(screen.text.join(''), '? Password for ann@10.0.0.11 (node n1):');
    assert.deepEqual(keys.modes, [true, false]);
    assert.equal(keys.listenerCount('data'), 0);
  });

  it('asks only once the terminal echoes nothing by itself: who answers at once is not shown either', async () => {
    const { asker, keys, screen } = terminal();
    const modes: boolean[][] = [];
    const write = screen.write.bind(screen);
    screen.write = (text) => {
      if (text.includes('Password')) modes.push([...keys.modes]);
      return write(text);
    };
    const answer = asker.ask(PASSWORD);
    keys.type('hunter2\r');
    await answer;
    assert.deepEqual(modes, [[true]]);
  });

  it('keeps blanks, wide letters and pasted text of a password as they are', async () => {
    const { asker, keys } = terminal();
    const answer = asker.ask(PASSWORD);
    keys.type('\u001b[200~ pä日 ', 'x\u001b[201~', '\r');
    assert.equal(await answer, ' pä日 x');
  });

  it('says why it asks once more', async () => {
    const code: Question = { kind: 'otp', node: 'n1', prompt: 'Code', echo: true };
    for (const [again, words] of [
      ['refused', 'That was not accepted.'],
      ['hung-up', 'The server closed the connection before it received the answer. Enter it again.'],
    ] as const) {
      const { asker, keys, screen } = terminal();
      const answer = asker.ask({ ...code, again });
      keys.type('1\r');
      assert.equal(await answer, '1');
      assert.equal(screen.text[0], words);
    }
  });

  it('wants the name of a production cluster letter by letter', async () => {
    const { asker, keys } = terminal();
    const answer = asker.ask(PRODUCTION);
    keys.type('yes\r', 'Prod\r', 'prod\r');
    assert.equal(await answer, 'yes');
    const empty = asker.ask(PRODUCTION);
    keys.type('\r');
    assert.equal(await empty, undefined);
  });

  it('takes a choice by number, by name or by a start that fits one', async () => {
    const { asker, keys } = terminal();
    for (const [typed, choice] of [
      ['2\r', 'done'],
      ['retry\r', 'retry'],
      ['fa\r', 'failed'],
      ['9\rx', undefined],
    ] as const) {
      const answer = asker.ask(DECIDE);
      keys.type(typed);
      if (choice === undefined) keys.type('\u0004');
      assert.equal(await answer, choice);
    }
  });

  it('asks one at a time and drops what was typed beyond an answer', async () => {
    const { asker, keys, screen } = terminal();
    const first = asker.ask(PASSWORD);
    const second = asker.ask(HOST_KEY);
    keys.type('secret\ryes\r');
    assert.equal(await first, 'secret');
    keys.type('no\r');
    assert.equal(await second, 'no');
    assert.ok(screen.text.indexOf('? Password for ann@10.0.0.11 (node n1):') < screen.text.length - 2);
  });

  it('cancels one question with Ctrl-D or Escape, and counts Ctrl-C as an interrupt', async () => {
    const { asker, keys, seen } = terminal();
    for (const key of ['\u0004', '\u001b', 'half\u0003']) {
      const answer = asker.ask(PASSWORD);
      keys.type(key);
      assert.equal(await answer, undefined);
    }
    assert.equal(seen.interrupts, 1);
    assert.deepEqual(keys.modes, [true, false, true, false, true, false]);
  });

  it('goes away when the answer came from elsewhere', async () => {
    const { asker, keys, seen } = terminal();
    const stop = new AbortController();
    const answer = asker.ask(PASSWORD, stop.signal);
    setImmediate(() => {
      stop.abort();
    });
    assert.equal(await answer, undefined);
    assert.deepEqual(keys.modes, [true, false]);
    assert.equal(seen.resumed, 1);
  });

  it('has nobody to ask without a terminal', async () => {
    const { asker, keys, screen } = terminal();
    keys.isTTY = false;
    assert.equal(await asker.ask(HOST_KEY), undefined);
    assert.deepEqual(screen.text, []);
  });

  it('lets no host or server dress its question up', () => {
    const text = questionLine({ kind: 'otp', node: 'n1', prompt: '\u001b[2JPassword:\r\nfor root: ', echo: false });
    assert.equal(text, 'n1 asks: Password: for root');
  });
});

describe('Ctrl-C', () => {
  it('first stops, then detaches, then forces, and gives the signals back', () => {
    const source = new EventEmitter();
    const calls: string[] = [];
    const interrupts = new Interrupts(
      { onStop: () => calls.push('stop'), onDetach: () => calls.push('detach'), onForce: () => calls.push('force') },
      source as unknown as NodeJS.Process,
    );
    source.emit('SIGINT');
    assert.ok(interrupts.stop.aborted && !interrupts.detach.aborted);
    interrupts.press();
    assert.ok(interrupts.detach.aborted);
    source.emit('SIGTERM');
    interrupts.dispose();
    assert.equal(source.listenerCount('SIGINT'), 0);
    assert.deepEqual(calls, ['stop', 'detach', 'force']);
  });
});
