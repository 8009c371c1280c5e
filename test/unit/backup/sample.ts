import { sha256Hex } from '../../../src/backup/points/canonical';
import type { Part, Point } from '../../../src/backup/points/point';

/** A point that could be real. */
export function samplePoint(nodes: readonly string[], changes: Partial<Point> = {}): Point {
  const script = 'echo 24.1\n';
  return {
    schema: 1,
    id: '20261122T201755Z-staging-4f2a9c',
    cluster: 'staging',
    created: '2026-11-22T20:17:55.000Z',
    reason: 'upgrade',
    run: '20261122T201700Z-staging-aaaa',
    package: { product: 'acme', version: '24.1', sha256: 'ab'.repeat(32) },
    manifest: '{}',
    scripts: { version: { content: Buffer.from(script).toString('base64'), sha256: sha256Hex(script) } },
    exclude: ['*.log'],
    quiet: false,
    nodes: Object.fromEntries(nodes.map((node) => [node, samplePart(node)])),
    ...changes,
  };
}

function samplePart(node: string): Part {
  return {
    node,
    version: '24.1',
    paths: [{ path: '/opt/acme', state: 'present', link: false }],
    data: {
      kind: 'archive',
      file: `${node}.tar.gz`,
      bytes: 1234,
      sha256: 'cd'.repeat(32),
      compression: 'gzip',
      tar: 'gnu',
    },
    treeBytes: 4096,
    listing: { format: 'gnu-1', sha256: 'ef'.repeat(32), count: 3 },
    kept: ['owners'],
    lost: [],
    warnings: [],
  };
}
