import { strict as assert } from 'node:assert';
import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { JsonOutput } from '../../../src/terminal/json-output';
import { LiveTerminal } from '../../../src/terminal/live-terminal';
import { planOf, Scene, START } from './scenes';
import { Screen } from './screen';

function stage(
  screen: Screen,
  env: NodeJS.ProcessEnv = { LANG: 'C.UTF-8', TERM: 'xterm' },
): { live: LiveTerminal; scene: Scene } {
  const live: LiveTerminal = new LiveTerminal({ stream: screen, env, view: () => scene.view, now: () => START });
  const scene: Scene = new Scene(planOf(['n1', 'n2']), (event) => {
    live.sink(event);
  });
  return { live, scene };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}

describe('the live terminal', () => {
  it('redraws one block in place and keeps what was printed above it', async () => {
    const screen = new Screen();
    const { live, scene } = stage(screen);
    await until(() => screen.text.length === 3);
    scene.begin('n1', 'upgrade').fact({ type: 'warning', code: 'no-backup', message: 'there is no way back' });
    live.print(['a line to keep']);
    assert.deepEqual(
      screen.text.map((each) => each.slice(0, 50).trimEnd()),
      [
        '20:17:55Z warning: there is no way back [no-backup',
        'a line to keep',
        'upgrade staging  acme-voice 24.1.0 → 24.2.0',
        '⠇ n1  upgrading         ○○○○◉○○○○○',
        '· n2  waiting           ○○○○○○○○○○',
      ],
    );
    live.end(['the summary']);
    assert.deepEqual(screen.text.slice(1), ['a line to keep', 'the summary']);
  });

  it('leaves no torn lines behind when the window becomes narrower', async () => {
    const screen = new Screen(100);
    const { live, scene } = stage(screen);
    live.print(['kept']);
    scene.begin('n1', 'upgrade');
    await until(() => screen.text.length === 4);
    screen.resize(40);
    screen.resize(33);
    assert.deepEqual(
      screen.text.map((each) => each.slice(0, 15).trimEnd()),
      ['kept', 'upgrade staging', '⠇ n1  upgrading', '· n2  waiting'],
    );
    live.end();
    assert.deepEqual(screen.text, ['kept']);
  });

  it('makes room for a prompt and holds lines back until it is answered', async () => {
    const screen = new Screen();
    const { live } = stage(screen);
    await until(() => screen.text.length === 3);
    const resume = live.pause();
    screen.write('? password: \n');
    live.print(['later']);
    assert.deepEqual(screen.text, ['? password:']);
    resume();
    assert.deepEqual(screen.text.slice(0, 2), ['? password:', 'later']);
    live.end();
  });

  it('redraws at most ten times a second, however many events come', async () => {
    const screen = new Screen();
    let now = START;
    const scene: Scene = new Scene(planOf(['n1']));
    const live = new LiveTerminal({ stream: screen, env: { TERM: 'xterm' }, view: () => scene.view, now: () => now });
    for (let index = 0; index < 1000; index++) {
      now += 1;
      live.sink({ type: 'progress', node: 'n1', step: 'stage', done: index, total: 1000, rate: 1, etaMs: 1 });
      if (index % 50 === 0) await sleep(1);
    }
    assert.ok(screen.written.length <= 11, `${String(screen.written.length)} redraws in a second`);
    live.end();
  });

  for (const [name, change, env] of [
    ['a pipe', { isTTY: false }, {}],
    ['a dumb terminal', { isTTY: true }, { TERM: 'dumb' }],
  ] as const) {
    it(`only ever appends to ${name}`, () => {
      const screen = Object.assign(new Screen(), change);
      const { live, scene } = stage(screen, env);
      scene.begin('n1', 'upgrade').at(2000).done('n1', 'upgrade', 2000).progress('n2', 'stage', 1, 2);
      live.end(['the summary']);
      assert.deepEqual(screen.written.join('').split('\n'), [
        '20:17:55Z run 20261122T201755Z-staging-4f2a: upgrade of staging started',
        '20:17:55Z n1: upgrading',
        '20:17:57Z n1: upgrade done after 2.0s',
        'the summary',
        '',
      ]);
    });
  }

  it('tells progress now and then where it cannot redraw', () => {
    const screen = Object.assign(new Screen(), { isTTY: false });
    let now = START;
    const scene: Scene = new Scene(planOf(['n1']));
    const live = new LiveTerminal({ stream: screen, env: {}, view: () => scene.view, now: () => now });
    for (let done = 0; done <= 100; done++) {
      now += 1000;
      live.sink({ type: 'progress', node: 'n1', step: 'stage', done, total: 100, rate: 1024, etaMs: 1 });
    }
    assert.equal(screen.written.length, 6);
    assert.equal(screen.written[0], 'n1: staging: 15 B, 15%, 1 KiB/s\n');
    live.end();
  });

  it('says in the block that the run waits for a person elsewhere', async () => {
    const screen = new Screen();
    const { live } = stage(screen);
    live.sink({ type: 'question', id: 'q', open: true, text: 'Password for ann@h (node n1)' });
    await until(() => screen.text.length === 4);
    assert.equal(screen.text[1], '? waiting for your input: Password for ann@h (node n1)');
    live.sink({ type: 'question', id: 'q', open: false, text: 'Password for ann@h (node n1)' });
    await until(() => screen.text.length === 3);
    live.end();
  });

  it('says what goes on before there is a run, and takes it away', async () => {
    const screen = new Screen();
    let now = START;
    const live = new LiveTerminal({ stream: screen, env: { LANG: 'C.UTF-8' }, view: () => undefined, now: () => now });
    live.busy('checking staging');
    await until(() => screen.text.length === 1);
    assert.match(screen.text[0] ?? '', /^. checking staging…$/);
    now += 2000;
    live.sink({
      type: 'progress',
      node: undefined,
      step: 'download',
      done: 1,
      total: 2,
      rate: undefined,
      etaMs: undefined,
    });
    await until(() => screen.text[0]?.includes('downloading') === true);
    assert.match(screen.text[0] ?? '', /^. downloading .*50%/);
    live.print(['kept']);
    live.end();
    assert.deepEqual(screen.text, ['kept']);
  });

  it('survives a stream that breaks', () => {
    const screen = new Screen();
    const { live, scene } = stage(screen);
    screen.write = () => {
      throw new Error('EIO');
    };
    scene.begin('n1', 'upgrade');
    live.print(['x']);
    screen.emit('error', new Error('EPIPE'));
    live.end(['summary']);
  });
});

class SlowStream extends EventEmitter {
  readonly lines: unknown[] = [];
  full = false;

  write(text: string): boolean {
    assert.match(text, /^[^\n]+\n$/);
    this.lines.push(JSON.parse(text));
    return !this.full;
  }
}

describe('--json', () => {
  const progress = (done: number) =>
    ({ type: 'progress', node: 'n1', step: 'stage', done, total: 9, rate: 1, etaMs: 1 }) as const;
  const types = (stream: SlowStream): unknown[] => stream.lines.map((each) => (each as { type: string }).type);

  it('writes each entry and progress as one object a line, run.finished last', async () => {
    const stream = new SlowStream();
    const json = new JsonOutput(stream);
    const scene = new Scene(planOf(['n1']), json.sink).begin('n1', 'stage');
    json.sink(progress(1));
    json.sink({ type: 'output', node: 'n1', step: 'upgrade', text: 'noise' });
    scene.finish('succeeded', 0);
    json.sink(progress(2));
    await json.end({ outcome: 'succeeded', status: 0, nodes: {} });
    assert.deepEqual(types(stream), ['step.started', 'progress', 'run.finished'].toSpliced(0, 0, 'run.started'));
  });

  it('ends with run.finished also where no run ever began', async () => {
    const stream = new SlowStream();
    const json = new JsonOutput(stream);
    await json.end({
      outcome: 'refused',
      status: 3,
      nodes: { n1: { outcome: 'not-started', from: '1', to: null } },
    });
    assert.deepEqual(stream.lines, [
      {
        type: 'run.finished',
        outcome: 'refused',
        status: 3,
        nodes: { n1: { outcome: 'not-started', from: '1', to: null } },
      },
    ]);
  });

  it('gives a slow reader the newest progress only, and every entry', async () => {
    const stream = new SlowStream();
    stream.full = true;
    const json = new JsonOutput(stream);
    const scene = new Scene(planOf(['n1']), json.sink).begin('n1', 'stage');
    for (let done = 0; done < 1000; done++) json.sink(progress(done));
    assert.deepEqual(types(stream), ['step.started'].toSpliced(0, 0, 'run.started'));
    stream.full = false;
    stream.emit('drain');
    assert.deepEqual(stream.lines.at(-1), progress(999));
    stream.full = true;
    scene.finish('succeeded', 0);
    const ended = json.end();
    stream.emit('drain');
    await ended;
    assert.equal(types(stream).at(-1), 'run.finished');
  });

  it('lets the run go on when the reader went away', async () => {
    const stream = new SlowStream();
    const json = new JsonOutput(stream);
    stream.full = true;
    json.row({ id: 1 });
    stream.emit('error', new Error('EPIPE'));
    json.row({ id: 2 });
    await json.end();
    assert.equal(stream.lines.length, 1);
  });
});
