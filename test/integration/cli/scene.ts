import { strict as assert } from 'node:assert';
import { sleep } from '../../../src/base/async';
import { executions, installAcme, type AcmeScript, type Execution } from '../../lab/acme';
import { type CliEvent, type CliOptions, type CliResult, CliRun, said } from '../../lab/cli';
import { type ClusterJson, Lab, type LabNode, type NodeSpec, whyNoLab } from '../../lab/nodes';
import { output } from '../../lab/tools';

/** A lab whose nodes run acme 1.0, with a clusters.json in the operator's home. */
export async function acmeCluster(
  specs: readonly NodeSpec[],
  overrides: Partial<ClusterJson> = {},
  perNode: (node: LabNode) => Record<string, unknown> = () => ({}),
): Promise<Lab> {
  const lab = await Lab.start({ nodes: specs });
  const nodes = lab.nodes.map((node) => ({
    name: node.name,
    host: node.host,
    identityFile: node.keyFile,
    ...perNode(node),
  }));
  await lab.writeClustersJson(lab.clustersJson({ nodes, ...overrides }));
  await Promise.all(lab.nodes.map((node) => installAcme(node, '1.0')));
  return lab;
}

/** For `before`: skips the suite where real nodes cannot be made. */
export function needsLab(context: Mocha.Context): void {
  if (whyNoLab() !== undefined) context.skip();
}

/** The command with `--json`, still running. */
export function start(lab: Lab, args: readonly string[], options: CliOptions = {}): CliRun {
  return new CliRun(lab, [...args, '--json'], options);
}

/** The command with `--json`, to its end, which must be with this status. */
export async function run(
  lab: Lab,
  args: readonly string[],
  status: number,
  options: CliOptions = {},
): Promise<CliResult> {
  const result = await start(lab, args, options).done;
  assert.equal(result.status, status, said(result));
  return result;
}

/** Outcome of each node, as `run.finished` tells it. */
export function outcomes(result: CliResult): Record<string, string> {
  const nodes = Object.entries(result.finished?.nodes ?? {});
  return Object.fromEntries(nodes.map(([name, { outcome }]) => [name, outcome]));
}

/** `upgrade` has begun on this node. */
export const begun =
  (node: string, step = 'upgrade') =>
  (event: CliEvent): boolean =>
    event.type === 'step.started' && event['node'] === node && event['step'] === step;

/** A step has ended on this node, however. */
export const ended =
  (node: string, step: string) =>
  (event: CliEvent): boolean =>
    event.type === 'step.finished' && event['node'] === node && event['step'] === step;

/** Waits until so many executions of a script are under way at once. */
export async function underWay(lab: Lab, script: AcmeScript, count: number): Promise<Execution[]> {
  const end = Date.now() + 150_000;
  for (;;) {
    const open = (await executions(lab.nodes, script)).filter((each) => each.end === undefined);
    if (open.length >= count) return open;
    if (Date.now() > end) throw new Error(`waited in vain for ${String(count)} of ${script} at once`);
    await sleep(50);
  }
}

/** Each script of the bracket ran exactly once on each of these nodes, and ended well. */
export async function exactlyOnce(
  nodes: readonly LabNode[],
  scripts: readonly AcmeScript[] = ['upgrade'],
): Promise<void> {
  for (const script of scripts) {
    for (const node of nodes) {
      const all = await executions([node], script);
      assert.deepEqual(
        all.map(({ exit }) => exit),
        [0],
        `${script} on ${node.name}`,
      );
    }
  }
}

/** Path, kind, size, mode and time of all that was ever written on a node, except what looking itself leaves. */
export async function writtenFiles(node: LabNode): Promise<string> {
  const { stdout } = await output('sh', [
    '-c',
    'cd "$1/../upper" && find . \\( -path ./var/log -o -path ./tmp -o -path ./run -o -path ./proc -o -path ./dev \\) -prune -o -type f -printf "%p %s %m %T@\\n" | sort',
    'sh',
    node.root,
  ]);
  return stdout;
}
