import { setTimeout as sleep } from 'node:timers/promises';
import { ClusterliftError } from '../../../src/base/errors';
import { Interrupts } from '../../../src/terminal/interrupts';
import { LiveTerminal } from '../../../src/terminal/live-terminal';
import { TerminalAsker } from '../../../src/terminal/asker';
import { themeOf } from '../../../src/terminal/theme';
import { renderError } from '../../../src/terminal/error';
import { renderPlan } from '../../../src/terminal/plan';
import { renderReport } from '../../../src/terminal/report';
import { renderStatus } from '../../../src/terminal/status';
import { renderSummary } from '../../../src/terminal/summary';
import { planNode, planOf, Scene } from './scenes';

/** Shows the terminal's output of a made-up run: `npx tsx test/unit/terminal/preview.ts live|ask|plan|report|status|error [nodes]`. */

const [what = 'live', count = '3'] = process.argv.slice(2);
const names = Array.from({ length: Number(count) }, (_, index) => `node${String(index + 1)}`);
const theme = themeOf(process.stdout, process.env);
const show = (lines: readonly string[]): void => {
  process.stdout.write(`${lines.join('\n')}\n`);
};

async function live(ask: boolean): Promise<void> {
  const live = new LiveTerminal({
    stream: process.stdout,
    env: process.env,
    view: () => scene.view,
    now: () => start + (Date.now() - began),
  });
  const began = Date.now();
  const start = Date.parse('2026-11-22T20:17:55.000Z');
  const scene: Scene = new Scene(planOf(names), (event) => {
    live.sink(event);
  });
  const interrupts = new Interrupts({
    onStop: () => {
      live.print(['Stopping. Press Ctrl-C again to detach immediately.']);
      tick().fact({ type: 'stop.requested', by: 'ann@desk' });
    },
    onDetach: () => {
      live.end(['Detached. Jobs on the nodes keep running. To return: clusterlift resume RUN']);
      process.exit(130);
    },
  });
  const asker = new TerminalAsker({
    input: process.stdin,
    output: process.stdout,
    theme: () => live.theme(),
    pause: () => live.pause(),
    onInterrupt: interrupts.press,
  });
  const tick = (): Scene => scene.at(Date.now() - began);
  if (ask) await questions(asker, live);
  for (let done = 0; done <= 268_435_456; done += 20_000_000) {
    tick().progress(undefined, 'download', done, 268_435_456);
    await sleep(60);
  }
  tick().fact({ type: 'phase', phase: 'stage' });
  for (const name of names) tick().begin(name, 'stage');
  for (let done = 0; done <= 268_435_456; done += 9_000_000) {
    for (const [index, name] of names.entries())
      tick().progress(name, 'stage', Math.min(268_435_456, done * (1 + index / 7)), 268_435_456);
    await sleep(60);
  }
  for (const name of names) tick().done(name, 'stage');
  tick().fact({ type: 'phase', phase: 'change' });
  await Promise.all(
    names.map(async (name, index) => {
      await sleep(index * 300);
      for (const step of ['stop', 'upgrade', 'start', 'version', 'health'] as const) {
        tick().begin(name, step);
        if (step === 'upgrade')
          tick().fact({ type: 'request', node: name, kind: 'message', text: 'schema migration 3 of 9' });
        if (name === 'node2' && step === 'upgrade')
          tick().live({ type: 'link', node: name, state: 'lost', reason: 'keepalive' });
        await sleep(500 + 150 * index);
        if (name === 'node2' && step === 'upgrade') tick().live({ type: 'link', node: name, state: 'back' });
        if (name === 'node3' && step === 'upgrade') {
          tick().fail(name, step, [
            'Unpacking libvoice 24.2.0 …',
            'E: \u001b[31mno space left\u001b[0m on device /opt',
          ]);
          return;
        }
        tick().done(name, step);
      }
      tick().upgraded(name);
    }),
  );
  tick().finish('failed', 1);
  live.end(
    renderSummary(
      scene.view,
      { folder: '/root/.local/state/clusterlift/runs/20261122T201755Z-staging-4f2a', home: '/root' },
      theme,
    ),
  );
  interrupts.dispose();
}

async function questions(asker: TerminalAsker, live: LiveTerminal): Promise<void> {
  const answers = [
    await asker.ask({
      kind: 'host-key',
      node: 'node1',
      host: '10.0.0.11',
      keyType: 'ssh-ed25519',
      fingerprint: 'SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU',
    }),
    await asker.ask({ kind: 'password', node: 'node1', user: 'platform', host: '10.0.0.11', retry: false }),
    await asker.ask({
      kind: 'decide',
      node: 'node2',
      text: 'upgrade on node2 has an unknown outcome.',
      choices: ['retry', 'done', 'failed'],
    }),
    await asker.ask({
      kind: 'confirm',
      text: 'Upgrade production from 24.1.0 to 24.2.0 on 3 nodes, without a backup.',
      typeName: 'production',
    }),
  ];
  live.print([JSON.stringify(answers)]);
}

const CHECKS = [
  {
    code: 'disk-space',
    level: 'block',
    node: 'node2',
    path: '/var/lib/clusterlift',
    message: 'needs 1.2 GiB, 300 MiB are free',
    fix: 'Make room there, or choose another stateDir in clusters.json.',
    overridden: false,
  },
  {
    code: 'no-backup',
    level: 'warn',
    node: undefined,
    path: undefined,
    message: 'there is no way back',
    fix: 'Add `backup <location>` to the command.',
    overridden: false,
  },
  {
    code: 'clock-skew',
    level: 'block',
    node: 'node3',
    path: undefined,
    message: 'its clock is 92 s behind',
    fix: 'ssh node3 sudo chronyc makestep',
    overridden: true,
  },
] as const;

switch (what) {
  case 'live':
    void live(false);
    break;
  case 'ask':
    void live(true);
    break;
  case 'plan':
    show(
      renderPlan(
        planOf(names, {
          nodes: names.map((name, i) => planNode(name, i === 2 ? { action: 'skip', from: '24.2.0' } : {})),
          batches: [names.slice(0, 1), names.slice(1, 2)],
          checks: CHECKS,
        }),
        theme,
      ),
    );
    break;
  case 'report':
    show(renderReport(CHECKS, theme));
    break;
  case 'status':
    show(
      renderStatus(
        [
          {
            node: 'node1',
            roles: ['database'],
            version: '24.2.0',
            health: 'healthy',
            lastRun: 'upgrade 2 h ago, upgraded',
            note: undefined,
          },
          {
            node: 'node2',
            roles: ['application', 'webproxy'],
            version: '24.1.0',
            health: 'unhealthy',
            lastRun: 'upgrade 2 h ago, failed',
            note: 'provision asked for, not done',
          },
          {
            node: 'node3',
            roles: [],
            version: undefined,
            health: 'unreachable',
            lastRun: undefined,
            note: 'connect to 10.0.0.13:22: timed out',
          },
        ],
        theme,
      ),
    );
    break;
  default:
    show(
      renderError(
        new ClusterliftError({
          code: 'config-unknown-key',
          message: '"nodez" is not a key of a cluster',
          hint: 'Did you mean "nodes"?',
          exit: 2,
          at: { file: '.vscode/clusters.json', line: 12, column: 5 },
        }),
        theme,
      ),
    );
}
