import type { ClusterliftError } from '../../base/errors';
import { lastLines } from '../../base/text';
import { formatDuration, formatSize } from '../../base/units';
import { clockSkew, type NodeFacts } from '../../cluster/facts';
import type { Cluster, NodeModel } from '../../cluster/model';
import type { Manifest } from '../../package/manifest';
import { compareVersions, inRange } from '../../package/version';
import type { ShortResult } from '../../ssh/short';
import { isRunName, lockedBy, type HeldLock } from '../node/lock';
import { parseRecord } from '../node/record';
import type { CheckResult } from '../plan';

/** What is known of a node before the run: its facts and what the package's scripts said, or why it could not be asked. */
export interface NodeProbe {
  readonly model: NodeModel;
  readonly error: ClusterliftError | undefined;
  readonly facts: NodeFacts | undefined;
  readonly lock: HeldLock | undefined;
  /** Undefined: not installed, or it could not be asked. */
  readonly version: string | undefined;
  readonly versionError: ClusterliftError | undefined;
  readonly check: ShortResult | undefined;
  /** Asked only where the version is the target already. */
  readonly healthy: boolean | undefined;
}

export interface CheckedPackage {
  readonly product: string;
  readonly version: string;
  readonly sha256: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly manifest: Manifest;
  readonly unvouched: boolean;
}

export interface CheckInput {
  readonly cluster: Cluster;
  readonly probes: readonly NodeProbe[];
  readonly package: CheckedPackage | undefined;
  readonly backup: string;
  /** The primary is not among the nodes of the run. */
  readonly primaryLeftOut: boolean;
  readonly overrides: readonly string[];
}

type Finding = Omit<CheckResult, 'overridden'>;

/** Blocks that no override helps against: nothing can be done with such a node or package. */
const FIRM: ReadonlySet<string> = new Set([
  'host-unreachable',
  'auth-failed',
  'host-key-unknown',
  'host-key-changed',
  'host-key-revoked',
  'no-common-algorithm',
  'become-refused',
  'become-password-wrong',
  'become-password-missing',
  'locked',
  'state-noexec',
  'state-read-only',
  'state-foreign',
  'version-script',
  'version-output',
  'kill-user-processes',
  'tools-missing',
  'link-lost',
  'node-timeout',
  'backup-write',
  'backup-read',
]);
/** What may be swapped at all is no matter of taste (design 8), nor is a location that does not work or a point that is broken. */
const FIRM_KINDS = /^(path|server|restic|point|tar|zstd)-/;

/** All checks, all findings: one that fails hides no other. Pure. */
export function checkAll(input: CheckInput): CheckResult[] {
  const findings = [...input.probes.flatMap((probe) => nodeFindings(input, probe)), ...clusterFindings(input)];
  return judged(findings, input.overrides);
}

/** Findings of any kind as results of the checks. */
export function judged(findings: readonly Finding[], overrides: readonly string[]): CheckResult[] {
  return findings.map((finding) => ({
    ...finding,
    overridden: finding.level === 'block' && !isFirm(finding.code) && overrides.includes(finding.code),
  }));
}

/** Does no override help against it? */
export function isFirm(code: string): boolean {
  return FIRM.has(code) || FIRM_KINDS.test(code);
}

/** Blocks that stand. */
export function blocksOf(checks: readonly CheckResult[]): CheckResult[] {
  return checks.filter((check) => check.level === 'block' && !check.overridden);
}

function nodeFindings(input: CheckInput, probe: NodeProbe): Finding[] {
  const { name } = probe.model;
  if (probe.error) return [block(probe.error.code, name, probe.error.message, probe.error.hint)];
  const { facts } = probe;
  if (!facts) return [];
  return [
    ...clockFindings(facts, name),
    ...stateFindings(facts, name),
    ...(input.package ? packageFindings(input.package, probe, facts) : []),
    ...openFindings(input, probe, facts),
    ...unfinishedFindings(probe, facts),
    ...requestFindings(facts, name),
    ...scriptFindings(probe),
  ];
}

function clockFindings(facts: NodeFacts, node: string): Finding[] {
  const skew = Math.abs(clockSkew(facts));
  if (skew <= 5000) return [];
  const direction = clockSkew(facts) > 0 ? 'ahead of' : 'behind';
  const message = `The clock of ${node} is ${formatDuration(skew)} ${direction} ours`;
  const fix = `Set it: \`chronyc makestep\` or \`timedatectl set-ntp true\` on ${node}.`;
  return [skew > 60_000 ? block('clock-skew', node, message, fix) : warn('clock-skew', node, message, fix)];
}

function stateFindings(facts: NodeFacts, node: string): Finding[] {
  const { path, noexec, readOnly, foreign } = facts.state;
  const findings: Finding[] = [];
  const at = (code: string, message: string, fix: string): void => {
    findings.push({ ...block(code, node, message, fix), path });
  };
  if (noexec)
    at(
      'state-noexec',
      `${path} on ${node} lies on a file system where programs may not run`,
      'Set "stateDir" to a directory on another file system.',
    );
  if (readOnly)
    at(
      'state-read-only',
      `${path} on ${node} lies on a read-only file system`,
      'Set "stateDir" to a directory that can be written.',
    );
  if (foreign)
    at(
      'state-foreign',
      `${path} on ${node} belongs to another user`,
      'Use the same user and "become" as before, or another "stateDir".',
    );
  if (!facts.root && facts.killsUserProcesses) {
    at(
      'kill-user-processes',
      `${node} ends all processes of ${facts.login.user} when the session ends, so no job would survive a lost link`,
      `Set "become", or on ${node}: \`loginctl enable-linger ${facts.login.user}\`.`,
    );
  }
  return findings;
}

function packageFindings(pkg: CheckedPackage, probe: NodeProbe, facts: NodeFacts): Finding[] {
  const { name } = probe.model;
  const { manifest } = pkg;
  const { arch, os, range, from } = manifest.compatible;
  const findings: Finding[] = [];
  if (arch && !arch.includes(facts.arch)) {
    findings.push(
      block(
        'architecture',
        name,
        `${name} is ${facts.arch}, and the package is for ${arch.join(', ')}`,
        'Get the package for this architecture.',
      ),
    );
  }
  const ids = [facts.os.id, ...facts.os.like];
  if (os && !os.some((id) => ids.includes(id))) {
    findings.push(
      block(
        'operating-system',
        name,
        `${name} runs ${facts.os.name || facts.os.id}, and the package is for ${os.join(', ')}`,
        'Get the package for this system, or leave the node out with --nodes.',
      ),
    );
  }
  const missing = manifest.needs.commands.filter((command) => facts.commands[command] !== true);
  if (missing.length > 0) {
    findings.push(
      block(
        'commands-missing',
        name,
        `${name} lacks ${missing.join(', ')}`,
        `Install ${missing.join(', ')} on ${name}.`,
      ),
    );
  }
  findings.push(...spaceFindings(pkg, facts, name));
  const { version } = probe;
  findings.push(...otherProduct(pkg, facts, name));
  if (version === undefined) return findings;
  if (compareVersions(version, pkg.version) > 0) {
    findings.push(
      block(
        'downgrade',
        name,
        `${name} has ${version}, which is newer than ${pkg.version}`,
        'Take a newer package, or restore a backup; --override downgrade forces it.',
      ),
    );
  } else if (range && compareVersions(version, pkg.version) !== 0 && !inRange(version, range)) {
    findings.push(
      block(
        'version-path',
        name,
        `${name} has ${version}, and ${pkg.version} upgrades only from ${from ?? ''}`,
        `Upgrade ${name} to a version in between first.`,
      ),
    );
  }
  return findings;
}

function otherProduct(pkg: CheckedPackage, facts: NodeFacts, node: string): Finding[] {
  const recorded = facts.products.filter((each) => each.record !== undefined);
  const other = recorded.find((each) => each.product !== pkg.product);
  if (!other || recorded.some((each) => each.product === pkg.product)) return [];
  return [
    block(
      'product',
      node,
      `${node} has ${other.product} installed, and the package is ${pkg.product}`,
      'Check that it is the right package; --override product installs it beside the other one.',
    ),
  ];
}

/** The image twice and its files (design 6), where they are not there yet. */
function spaceFindings(pkg: CheckedPackage, facts: NodeFacts, node: string): Finding[] {
  const staged = facts.packages.find((each) => each.sha256 === pkg.sha256);
  const whole = staged?.size === pkg.size;
  const needed = (whole ? 0 : 2 * pkg.size) + (staged?.unpacked ? 0 : pkg.unpackedSize) + pkg.manifest.needs.disk;
  const space = facts.space[0];
  if (!space || space.free >= needed) return [];
  const message = `${node} has ${formatSize(space.free)} free at ${facts.state.path}, and the upgrade needs ${formatSize(needed)}`;
  return [
    {
      ...block(
        'disk-space',
        node,
        message,
        `Make room at ${space.mount || facts.state.path} on ${node}, or set "stateDir" to a larger file system.`,
      ),
      path: facts.state.path,
    },
  ];
}

function openFindings(input: CheckInput, probe: NodeProbe, facts: NodeFacts): Finding[] {
  const { name } = probe.model;
  const findings: Finding[] = [];
  if (probe.lock) findings.push(...lockFindings(input, probe.lock, name));
  const living = facts.openJobs.filter((job) => job.state === 'running');
  if (living.length > 0 && !probe.lock) {
    const [job] = living;
    findings.push(
      block(
        'job-running',
        name,
        `A job of run ${job?.run ?? ''} still runs on ${name}`,
        `Go on with that run: \`clusterlift resume ${job?.run ?? ''}\`.`,
      ),
    );
  }
  if (facts.tar.kind === 'none' && input.backup !== 'none') {
    findings.push(block('tools-missing', name, `${name} has no tar, which a backup needs`, `Install tar on ${name}.`));
  }
  return findings;
}

/** A lock that may be freed without asking (its run is over) is none; a stale one is offered when the run takes its locks. */
function lockFindings(input: CheckInput, held: HeldLock, node: string): Finding[] {
  const { run } = held.owner;
  const over = held.runClosed && held.jobsAlive.length === 0;
  if (over && held.stale) return [];
  const message = lockedBy(node, held.owner);
  const mayTake = held.stale && held.jobsAlive.length === 0;
  if (mayTake && input.overrides.includes('stale-lock'))
    return [warn('locked', node, `${message}; the lock is stale and is taken over`, '')];
  if (mayTake)
    return [
      warn(
        'locked',
        node,
        `${message}; the lock is stale`,
        `Go on with it: \`clusterlift resume ${run}\`; or take it over: --override stale-lock.`,
      ),
    ];
  return [
    block(
      'locked',
      node,
      message,
      `Follow it with \`clusterlift attach ${run}\`, or go on with it by \`clusterlift resume ${run}\`.`,
    ),
  ];
}

/**
 * Runs that the node has never seen the end of. Told, not refused: what they left is in the versions that were asked for.
 * The holder of the lock is told as such, and a later run that ended well has settled what was before it.
 */
function unfinishedFindings({ model, lock }: NodeProbe, facts: NodeFacts): Finding[] {
  const settled = facts.products
    .flatMap(({ record }) => (record === undefined ? [] : [parseRecord(record)]))
    .flatMap((record) => (record?.state === 'done' ? [record.run] : []))
    .reduce((last, run) => (run > last ? run : last), '');
  return facts.openRuns
    .filter((run) => isRunName(run) && run !== lock?.owner.run && run > settled)
    .map((run) =>
      warn(
        'unfinished-run',
        model.name,
        `Run ${run} began on ${model.name}, and ${model.name} has not seen its end`,
        `Go on with it: \`clusterlift resume ${run}\` (from another machine with --from-nodes); a new run goes on from what it left.`,
      ),
    );
}

function requestFindings(facts: NodeFacts, node: string): Finding[] {
  return facts.requests.map((request) =>
    warn(
      `unfulfilled-${request.kind}`,
      node,
      `${node} still waits for a ${request.kind} that run ${request.run} asked for`,
      request.kind === 'provision'
        ? 'It is done at the end of this run, or by `clusterlift provision`.'
        : `It is done in this run, or restart ${node} yourself.`,
    ),
  );
}

function scriptFindings(probe: NodeProbe): Finding[] {
  const { name } = probe.model;
  const findings: Finding[] = [];
  if (probe.versionError)
    findings.push(block(probe.versionError.code, name, probe.versionError.message, probe.versionError.hint));
  const { check } = probe;
  if (check && check.rc !== 0) {
    const said = lastLines(`${check.stdout}\n${check.stderr}`, 3).join(' / ');
    const how = check.rc === 'timeout' ? 'hung' : `ended with status ${String(check.rc)}`;
    findings.push(
      block(
        'check-script',
        name,
        `The package's check ${how} on ${name}${said ? `: ${said}` : ''}`,
        `Mend what it names on ${name}; --override check-script goes on in spite of it.`,
      ),
    );
  }
  return findings;
}

function clusterFindings({ cluster, package: pkg, backup, primaryLeftOut }: CheckInput): Finding[] {
  const findings: Finding[] = [];
  if (pkg && backup === 'none') {
    findings.push(
      warn(
        'no-backup',
        undefined,
        'There is no backup: there is no way back',
        'Add `backup <location>`; the locations: `clusterlift backup list`.',
      ),
    );
  }
  if (pkg?.unvouched) {
    const message = 'The package came over plain http, and nothing vouches for it';
    const fix = 'Give --sha256 with the digest that the publisher names, use https, or a signed package.';
    findings.push(
      cluster.production ? block('plain-http', undefined, message, fix) : warn('plain-http', undefined, message, fix),
    );
  }
  if (pkg && primaryLeftOut) findings.push(...leftOutFindings(cluster, pkg.manifest));
  return findings;
}

/** What it means that the primary is not among the nodes of a run with this package. */
export function leftOutFindings({ primary }: Pick<Cluster, 'primary'>, { provision, scripts }: Manifest): Finding[] {
  if (provision === 'never' || scripts.provision === undefined) return [];
  const due = provision === 'always';
  const message = `The primary ${primary} is left out by --nodes, and ${due ? 'the package provisions on it' : 'provisioning would run on it if it becomes due'}`;
  const fix = `Add ${primary} to --nodes; --override primary-left-out goes on without.`;
  return [(due ? block : warn)('primary-left-out', undefined, message, fix)];
}

function block(code: string, node: string | undefined, message: string, fix: string): Finding {
  return { code, level: 'block', node, path: undefined, message, fix };
}

function warn(code: string, node: string | undefined, message: string, fix: string): Finding {
  return { ...block(code, node, message, fix), level: 'warn' };
}
