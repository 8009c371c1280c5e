import { strict as assert } from 'node:assert';
import { twinFindings } from '../../../../src/engine/prepare/twins';

type Probe = Parameters<typeof twinFindings>[0][number];

function probeOf(name: string, bootId: string, hostKey?: string): Probe {
  return { model: { name }, facts: { bootId }, hostKey } as unknown as Probe;
}

describe('two names with one boot id and one host key', () => {
  it('are warned about, not blocked; clones and containers have only one of the two', () => {
    const findings = twinFindings([
      probeOf('a', 'boot 1', 'key 1'),
      probeOf('clone', 'boot 2', 'key 1'),
      probeOf('container', 'boot 1', 'key 2'),
      probeOf('unasked', 'boot 1'),
      probeOf('b', 'boot 1', 'key 1'),
    ]);
    assert.deepEqual(
      findings.map(({ code, level, node }) => [code, level, node]),
      [['machine-shared', 'warn', 'b']],
    );
    assert.match(findings[0]?.message ?? '', /^a and b /);
  });
});
