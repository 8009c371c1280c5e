import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { sleep } from '../../../src/base/async';
import { ClusterliftError, ExitStatus } from '../../../src/base/errors';
import { RunContext } from '../../../src/engine/control/context';
import { newRunId, Runs } from '../../../src/engine/journal/runs';
import { runMain, type HostedRun } from '../../../src/service/host';
import type { QueryHost } from '../../../src/service/query-host';
import { serviceMain } from '../../../src/service/process';
import type { QueryResult } from '../../../src/service/query-protocol';
import type { RunEnd, RunRequest } from '../../../src/service/protocol';
import { planOf } from '../../unit/terminal/scenes';
import { readCode } from '../../../src/base/catalogue';

/** A process of a run whose engine does what the first word of the request says, on no node at all. */

async function execute(request: RunRequest, host: HostedRun): Promise<RunEnd> {
  const [word, home = ''] = request.argv;
  if (word === 'refuse') {
    throw new ClusterliftError({
      code: readCode('no-package'),
      message: 'no package',
      hint: 'Name one.',
      exit: ExitStatus.refused,
      node: 'n1',
    });
  }
  if (word === 'crash') throw new Error('a fault');
  const plan = planOf(['n1', 'n2'], { run: newRunId('staging') });
  const owned = await new Runs(join(home, 'state')).create(plan);
  const services = {
    openStore: () => {
      throw new Error('this run has no backup');
    },
    connect: () => {
      throw new Error('no nodes here');
    },
    asker: host.asker,
    sink: (event: Parameters<typeof control.sink>[0]) => {
      control.sink(event);
    },
    detach: host.detach,
    by: request.by,
    isClosed: () => Promise.resolve(false),
  };
  const ctx = new RunContext(plan, owned.folder, services, owned.journal);
  const control = await host.live.serve(ctx);
  await ctx.record({
    type: 'run.started',
    run: plan.run,
    action: 'upgrade',
    cluster: 'staging',
    plan: '',
    host: 'h',
    pid: process.pid,
    epoch: 1,
  });
  if (word === 'ask') {
    const answer = await host.asker.ask({ kind: 'password', node: 'n1', user: 'ann', host: 'h', retry: false });
    await ctx.record({ type: 'warning', code: readCode('answer'), message: digest(answer ?? 'nothing') });
  }
  if (word === 'tell') {
    const names = Object.keys(process.env).filter((name) => /NODE_OPTIONS|VSCODE|PASSWORD/.test(name));
    const told = {
      names,
      asNode: process.env['ELECTRON_RUN_AS_NODE'],
      cwd: process.cwd(),
      secret: digest(request.secrets['ssh-password'] ?? ''),
    };
    await ctx.record({ type: 'warning', code: readCode('told'), message: JSON.stringify(told) });
  }
  if (word === 'work') {
    for (let done = 0; !ctx.view.stopRequested; done++) {
      ctx.live({
        type: 'progress',
        node: 'n1',
        step: 'stage',
        done,
        total: undefined,
        rate: undefined,
        etaMs: undefined,
      });
      await sleep(10, host.detach);
    }
  }
  await ctx.record({ type: 'run.finished', outcome: 'succeeded', status: 0, nodes: {} });
  await control.close();
  await owned.release();
  return { outcome: 'succeeded', status: 0, nodes: {}, error: null };
}

async function query(request: { argv: readonly string[] }, host: QueryHost): Promise<QueryResult> {
  const [word] = request.argv;
  if (word === 'crash') process.exit(7);
  if (word === 'hang') await sleep(60_000, host.signal);
  const answer =
    word === 'ask'
      ? await host.asker.ask({ kind: 'otp', node: 'n1', prompt: 'Code', echo: false }, host.signal)
      : undefined;
  return { status: 0, rows: [{ pid: process.pid, answer: answer ?? null }], lines: [], error: null };
}

export function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

const [, , word, folder = ''] = process.argv;
if (word === '__run') {
  void runMain(folder, { env: process.env, execute }).then((status) => {
    process.exit(status);
  });
} else if (word === '__service') {
  const idle = Number(process.env['TEST_IDLE'] ?? '60000');
  const shell = (): Promise<never> => Promise.reject(new Error('no nodes here'));
  void serviceMain({ input: process.stdin, output: process.stdout, query, shell, idle }).then(() => process.exit(0));
}
