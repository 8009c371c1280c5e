import type { ErrorCode } from '../../base/catalogue';
import { advice } from '../../base/shell';
import { isOverridden } from '../../base/overrides';
import { formatDuration } from '../../base/units';
import { clockSkew, type NodeFacts } from '../../cluster/facts';
import { isRunName, lockedBy, type HeldLock } from '../node/lock';
import { parseRecord } from '../node/record';
import type { CheckInput, NodeProbe } from './check-input';
import { block, warn, type Finding } from './findings';

export function clockFindings(facts: NodeFacts, node: string): Finding[] {
  const skew = Math.abs(clockSkew(facts));
  if (skew <= 5000) return [];
  const direction = clockSkew(facts) > 0 ? 'ahead of' : 'behind';
  const message = `The clock of ${node} is ${formatDuration(skew)} ${direction} ours`;
  const fix = advice`Set it: \`chronyc makestep\` or \`timedatectl set-ntp true\` on ${node}.`;
  return [skew > 60_000 ? block('clock-skew', node, message, fix) : warn('clock-skew', node, message, fix)];
}

export function connectionFindings({ model: { name }, oldAlgorithms = [] }: NodeProbe): Finding[] {
  if (oldAlgorithms.length === 0) return [];
  const message = `The connection to ${name} uses algorithms that are no longer safe: ${oldAlgorithms.join(', ')}`;
  const fix = 'Update the SSH server there, then remove them from this host in your ssh_config.';
  return [warn('ssh-old-algorithms', name, message, fix)];
}

export function stateFindings(facts: NodeFacts, node: string): Finding[] {
  const { path, noexec, readOnly, foreign } = facts.state;
  const findings: Finding[] = [];
  const at = (code: ErrorCode, message: string, fix: string): void => {
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
      advice`Set "become", or on ${node}: \`loginctl enable-linger ${facts.login.user}\`.`,
    );
  }
  return findings;
}

export function openFindings(input: CheckInput, probe: NodeProbe, facts: NodeFacts): Finding[] {
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
        advice`Go on with that run: \`clusterlift resume ${job?.run ?? ''}\`.`,
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
  if (mayTake && isOverridden(input.overrides, 'stale-lock', node))
    return [warn('locked', node, `${message}; the lock is stale and is taken over`, '')];
  if (mayTake)
    return [
      warn(
        'locked',
        node,
        `${message}; the lock is stale`,
        advice`Go on with it: \`clusterlift resume ${run}\`; or take it over: --override stale-lock.`,
      ),
    ];
  return [
    block(
      'locked',
      node,
      message,
      advice`Follow it with \`clusterlift attach ${run}\`, or go on with it by \`clusterlift resume ${run}\`.`,
    ),
  ];
}

/**
 * Runs that the node has never seen the end of. Told, not refused: what they left is in the versions that were asked for.
 * The holder of the lock is told as such, and a later run that ended well has settled what was before it. One node may
 * tell any run: to take it from the nodes is offered only where all of them were locked last by it.
 */
export function unfinishedFindings({ probes }: CheckInput, { model, lock }: NodeProbe, facts: NodeFacts): Finding[] {
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
        probes.every((probe) => probe.facts?.lastClaim === run)
          ? advice`Go on with it: \`clusterlift resume ${run}\` (from another machine with --from-nodes); a new run goes on from what it left.`
          : advice`A new run goes on from what it left. If this machine started it: \`clusterlift resume ${run}\`.`,
      ),
    );
}

export function requestFindings(facts: NodeFacts, node: string): Finding[] {
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
