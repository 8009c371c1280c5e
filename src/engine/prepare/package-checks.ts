import { lastLines } from '../../base/text';
import { formatSize } from '../../base/units';
import type { NodeFacts } from '../../cluster/facts';
import { compareVersions, inRange, sameVersion } from '../../package/version';
import type { CheckedPackage, CheckInput, NodeProbe } from './check-input';
import { block, warn, type Finding } from './findings';

export function packageFindings(pkg: CheckedPackage, probe: NodeProbe, facts: NodeFacts): Finding[] {
  const { name } = probe.model;
  const { manifest } = pkg;
  const { arch, os } = manifest.compatible;
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
  findings.push(...spaceFindings(pkg, facts, name), ...otherProduct(pkg, facts, name));
  const wrong = probe.version === undefined ? undefined : versionFinding(pkg, name, probe.version);
  return wrong ? [...findings, wrong] : findings;
}

/** Can the package upgrade this version? */
function versionFinding(pkg: CheckedPackage, name: string, version: string): Finding | undefined {
  const { range, from } = pkg.manifest.compatible;
  if (compareVersions(version, pkg.version) > 0) {
    return block(
      'downgrade',
      name,
      `${name} has ${version}, which is newer than ${pkg.version}`,
      'Take a newer package, or restore a backup; --override downgrade forces it.',
    );
  }
  if (range && compareVersions(version, pkg.version) !== 0 && !inRange(version, range)) {
    return block(
      'version-path',
      name,
      `${name} has ${version}, and ${pkg.version} upgrades only from ${from ?? ''}`,
      `Upgrade ${name} to a version in between first.`,
    );
  }
  return undefined;
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

/** The image twice and its files (docs/on-a-node.md), where they are not there yet. */
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

/** A node that is sick before the run. One that this run mends anyway is only told. */
export function healthFindings({ package: pkg, probes }: CheckInput, probe: NodeProbe): Finding[] {
  const { installed, model } = probe;
  if (!pkg || !installed?.health || installed.health.rc === 0) return [];
  const { name } = model;
  const { rc } = installed.health;
  const said = lastLines(`${installed.health.stdout}\n${installed.health.stderr}`, 3).join(' / ');
  const how = rc === 'timeout' ? 'hangs' : `ends with status ${String(rc)}`;
  const message = `${name} is unhealthy before the upgrade: the health script of ${installed.record.product} ${how}${said ? `: ${said}` : ''}`;
  const atTarget = (each: NodeProbe): boolean => each.version !== undefined && sameVersion(each.version, pkg.version);
  const others = probes.filter((each) => each !== probe);
  if (installed.record.state !== 'done')
    return [warn('unhealthy', name, message, 'Its last upgrade did not end well; this run does it again.')];
  if (atTarget(probe) && others.every(atTarget))
    return [warn('unhealthy', name, message, `It has ${pkg.version} already; this run installs it again.`)];
  return [
    block(
      'unhealthy',
      name,
      message,
      `Find out why on ${name} and fix it; --override unhealthy upgrades the cluster in spite of it.`,
    ),
  ];
}

export function scriptFindings(probe: NodeProbe): Finding[] {
  const { name } = probe.model;
  const findings: Finding[] = [];
  const { versionError } = probe;
  if (versionError) {
    const said = (versionError.log ?? []).slice(-3).join(' / ');
    const message = `${versionError.message}${said ? `: ${said}` : ''}`;
    findings.push(block(versionError.code, name, message, versionError.hint));
  }
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
