import type { Cluster } from '../../cluster/model';
import type { Manifest } from '../../package/manifest';
import type { CheckResult } from '../journal/plan';
import type { CheckInput, NodeProbe } from './check-input';
import { block, judged, warn, type Finding } from './findings';
import {
  clockFindings,
  connectionFindings,
  openFindings,
  requestFindings,
  stateFindings,
  unfinishedFindings,
} from './node-checks';
import { brokenScripts, interpreterFindings } from './script-checks';
import { twinFindings } from './twins';
import { healthFindings, packageFindings, scriptFindings } from './package-checks';

/** All checks, all findings: one that fails hides no other. Pure. */
export function checkAll(input: CheckInput): CheckResult[] {
  const findings = [
    ...input.probes.flatMap((probe) => nodeFindings(input, probe)),
    ...twinFindings(input.probes),
    ...clusterFindings(input),
  ];
  return judged(findings, input.overrides);
}

function nodeFindings(input: CheckInput, probe: NodeProbe): Finding[] {
  const { name } = probe.model;
  if (probe.error) return [block(probe.error.code, name, probe.error.message, probe.error.hint)];
  const { facts } = probe;
  if (!facts) return [];
  return [
    ...connectionFindings(probe),
    ...clockFindings(facts, name),
    ...stateFindings(facts, name),
    ...(input.package ? packageFindings(input.package, probe, facts) : []),
    ...(input.package ? interpreterFindings(input.package.starts, input.package.manifest, facts, name) : []),
    ...openFindings(input, probe, facts),
    ...unfinishedFindings(input, probe, facts),
    ...requestFindings(facts, name),
    ...healthFindings(input, probe),
    ...scriptFindings(probe),
  ];
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
  if (pkg) findings.push(...brokenScripts(pkg.starts));
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
