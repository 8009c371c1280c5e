import { strict as assert } from 'node:assert';
import { exitsOf } from '../../../src/terminal/exits';
import type { Plan, PlanPackage } from '../../../src/engine/journal/plan';
import { emptyView, fold } from '../../../src/engine/journal/view';
import { planOf } from '../engine/plans';

const pack = (provision: string, path = "/home/ann/it's here/a.iso"): PlanPackage => ({
  product: 'acme',
  version: '2.0',
  sha256: 'a'.repeat(64),
  size: 1,
  source: { kind: 'file', path },
  manifest: {
    schema: 1,
    product: 'acme',
    version: '2.0',
    provision,
    scripts: { version: 'bin/version', upgrade: 'bin/upgrade', provision: 'bin/provision' },
  },
  signedBy: undefined,
});

/** The ways on after n2 failed. */
function waysOf(plan: Partial<Plan>): Record<string, string | undefined> {
  let view = emptyView(planOf(['n1', 'n2', 'n3'], { configFile: '/etc/my clusters.json', ...plan }));
  for (const [node, outcome] of [
    ['n1', 'upgraded'],
    ['n2', 'failed'],
    ['n3', 'upgraded'],
  ] as const)
    view = fold(view, { type: 'node.finished', node, outcome });
  view = fold(view, { type: 'run.finished', outcome: 'failed', status: 1, nodes: {} });
  return Object.fromEntries(exitsOf(view).map(({ name, command }) => [name, command]));
}

describe('the ways on after a failure', () => {
  it('can be pasted in any folder', () => {
    const command = "clusterlift upgrade 'it'\\''s here/a.iso' --config 'my clusters.json' --nodes n1,n2,n3 --yes";
    const ways = waysOf({ command, package: pack('never') });
    const whole = "clusterlift upgrade '/home/ann/it'\\''s here/a.iso' --config '/etc/my clusters.json'";
    assert.equal(ways['continue'], `${whole} --nodes n1,n2,n3 --yes`);
    assert.equal(ways['retry failed'], `${whole} --yes --nodes n2`);
  });

  it('leave a package alone that was not named, or is a URL', () => {
    const url = { ...pack('never'), source: { kind: 'url', url: 'https://host/a.iso' } } as const;
    assert.equal(
      waysOf({ command: 'clusterlift upgrade https://host/a.iso', package: url })['continue'],
      'clusterlift upgrade https://host/a.iso',
    );
    const newest = { ...pack('never'), source: { kind: 'node', node: 'n1', path: '/root/a.iso' } } as const;
    assert.equal(
      waysOf({ command: 'clusterlift upgrade serial', package: newest })['continue'],
      'clusterlift upgrade serial',
    );
  });

  it('name the primary, too, where the package is always provisioned: without it the command is refused', () => {
    const command = 'clusterlift upgrade /home/ann/a.iso';
    const of = (provision: string, primary: string) =>
      waysOf({ command, primary, package: pack(provision, '/home/ann/a.iso') })['retry failed'];
    assert.equal(of('always', 'n1'), `${command} --nodes n1,n2`);
    assert.equal(of('always', 'n2'), `${command} --nodes n2`);
    assert.equal(of('required', 'n1'), `${command} --nodes n2`);
  });
});
