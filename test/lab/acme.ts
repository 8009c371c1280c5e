import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type MadePackage, type PackageSpec, makePackage } from './images';
import type { LabNode } from './node';

/** The scripts of the test product `acme-voice`; each execution is noted on the node. */
export type AcmeScript = 'check' | 'stop' | 'upgrade' | 'start' | 'provision' | 'health';

/**
 * What a test can ask of a script on one node, also while it runs: `wait` blocks it as long as it is set, `sleep` is in
 * seconds, `fail` is its exit status, `ask` are lines for `$CLUSTERLIFT_OUTPUT`, `run` is sh text.
 */
export type Knob = 'wait' | 'sleep' | 'fail' | 'ask' | 'run';

export interface Execution {
  readonly script: AcmeScript;
  readonly node: string;
  readonly run: string;
  /** Milliseconds since the machine started; the same clock for all nodes of all labs. */
  readonly start: number;
  /** Undefined: it still runs, or was killed. */
  readonly end: number | undefined;
  readonly exit: number | undefined;
}

const PRELUDE = readFileSync(join(__dirname, 'acme-prelude.sh'), 'utf8');
const KNOBS = '/var/acme-knobs';
const LOG = '/var/log/acme.log';

/** `run` of the knobs can set `keep` to leave the old version in place. */
const WORK: Record<AcmeScript, string> = {
  check: '',
  stop: 'rm -f /var/lib/acme/running',
  upgrade: [
    '[ -e /var/lib/acme/running ] && { echo "still running" >&2; exit 9; }',
    'fail',
    'head -c 20000 /dev/urandom > /opt/acme/program',
    '[ -n "${keep:-}" ] || echo "$CLUSTERLIFT_TO" > /etc/acme/release',
  ].join('\n'),
  start: ': > /var/lib/acme/running',
  provision: 'echo "$CLUSTERLIFT_NODES" > /var/lib/acme/provisioned',
  health: '[ -e /var/lib/acme/running ] || { echo "acme is not running" >&2; exit 1; }',
};

/** A package of the test product. Its data lies in /etc/acme and /opt/acme; the version in /etc/acme/release. */
export async function acmePackage(version: string, spec: Partial<PackageSpec> = {}): Promise<MadePackage> {
  const scripts: Record<string, string> = { version: '#!/bin/sh\ncat /etc/acme/release 2>/dev/null || :\n' };
  for (const [name, work] of Object.entries(WORK)) {
    scripts[name] = `${PRELUDE}\n${work}\nfail\n`;
  }
  return makePackage({
    ...spec,
    version,
    scripts: { ...scripts, ...spec.scripts },
    manifest: {
      health: { interval: '200ms', stable: '0s' },
      backup: { paths: ['/etc/acme', '/opt/acme'] },
      ...spec.manifest,
    },
  });
}

/** As if `version` had been installed long ago, and runs. */
export async function installAcme(node: LabNode, version: string): Promise<void> {
  await node.must(
    `mkdir -p /etc/acme /opt/acme /var/lib/acme && cat > /etc/acme/release && echo old > /opt/acme/program && : > /var/lib/acme/running`,
    `${version}\n`,
  );
}

/** Undefined: not installed. */
export async function acmeVersion(node: LabNode): Promise<string | undefined> {
  const { code, stdout } = await node.run('cat /etc/acme/release');
  return code === 0 ? stdout.trim() : undefined;
}

export async function setKnob(
  node: LabNode,
  script: AcmeScript,
  knob: Knob,
  value: string | number = '',
): Promise<void> {
  await node.writeFile(`${KNOBS}/${script}.${knob}`, `${String(value)}\n`);
}

export async function clearKnob(node: LabNode, script: AcmeScript, knob: Knob): Promise<void> {
  await node.must(`rm -f ${KNOBS}/${script}.${knob}`);
}

/** Every execution of the scripts on these nodes, by start. `version` is left out: it only looks. */
export async function executions(nodes: readonly LabNode[], script?: AcmeScript): Promise<Execution[]> {
  const all: Execution[] = [];
  for (const node of nodes) {
    const { stdout } = await node.run(`cat ${LOG}`);
    all.push(...readLog(stdout, node.name));
  }
  return all.filter((each) => script === undefined || each.script === script).sort((a, b) => a.start - b.start);
}

/** Do two of them run at the same time? One that never ended overlaps with all that came later. */
export function overlap(a: Execution, b: Execution): boolean {
  return a.start < (b.end ?? Infinity) && b.start < (a.end ?? Infinity);
}

function readLog(text: string, node: string): Execution[] {
  const list: Execution[] = [];
  for (const line of text.split('\n')) {
    const [script = '', what = '', uptime = '', run = ''] = line.split(' ');
    if (script === '') continue;
    const at = Math.round(Number(uptime) * 1000);
    const open = list.findIndex((each) => each.script === script && each.end === undefined);
    const begun = list[open];
    if (what === 'start' || begun === undefined) {
      list.push({ script: script as AcmeScript, node, run, start: at, end: undefined, exit: undefined });
    } else {
      list[open] = { ...begun, end: at, exit: Number(what.replace('end:', '')) };
    }
  }
  return list;
}
