import { strict as assert } from 'node:assert';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClusterliftError } from '../../../src/base/errors';
import { checkClusters, ConfigError, loadClusters } from '../../../src/cluster/load';
import type { ClustersFile } from '../../../src/cluster/model';
import { EXAMPLE } from './example';

function model(text: string): ClustersFile {
  const { file, problems } = checkClusters(text, 'clusters.json');
  assert.ok(file, problems.map((problem) => problem.message).join('\n'));
  return file;
}

/** The problems of a text as `code line:column`. */
function problems(text: string): string[] {
  return checkClusters(text, 'clusters.json').problems.map(
    ({ code, at }) => `${code} ${String(at?.line)}:${String(at?.column)}`,
  );
}

/** A cluster `c` with two nodes, and more keys. */
function cluster(more: string, nodes = '{ "name": "n1" }, { "name": "n2" }'): string {
  return `{ "clusters": { "c": { "nodes": [${nodes}]\n${more === '' ? '' : `, ${more}`} } } }`;
}

const codes = (text: string): string[] => problems(text).map((problem) => problem.split(' ')[0] ?? '');
const hintOf = (text: string): string => checkClusters(text, 'f').problems[0]?.hint ?? '';

describe('clusters.json', () => {
  it('takes the documented example without a complaint', () => {
    const file = model(EXAMPLE);
    const staging = file.clusters[0];
    assert.ok(staging);
    assert.equal(staging.name, 'staging');
    assert.equal(staging.primary, 'node1');
    assert.equal(staging.production, true);
    assert.deepEqual(
      staging.nodes.map((node) => [
        node.name,
        node.host,
        node.user,
        node.become,
        node.jump,
        node.address,
        node.stateDir,
      ]),
      [
        ['node1', '10.0.0.11', 'platform', 'sudo', undefined, '10.0.0.11', '/var/lib/clusterlift'],
        ['node2', '10.0.0.12', 'platform', 'sudo', 'node1', '192.168.5.12', '/var/lib/clusterlift'],
      ],
    );
    assert.equal(staging.upgrade.healthStable, 10_000);
    assert.deepEqual(staging.upgrade.batch, ['1', '25%', '100%']);
    assert.deepEqual(
      file.locations.map((location) => location.name),
      ['nightly', 'vault'],
    );
  });

  it('fills in defaults: fast, no backup, no failures, first node primary', () => {
    const [only] = model('{ "clusters": { "one": { "nodes": [{ "name": "a", "connection": "local" }] } } }').clusters;
    assert.ok(only);
    assert.equal(only.primary, 'a');
    assert.deepEqual(only.packageDirs, ['~', '~/media']);
    assert.deepEqual(only.upgrade, {
      mode: 'fast',
      backup: 'none',
      batch: undefined,
      maxFailures: '0',
      onFailure: 'stop',
      healthStable: undefined,
      backupMaxAge: undefined,
      trustedSigners: [],
      revokedSigners: [],
      requireSignature: false,
    });
    assert.deepEqual(only.nodes[0], {
      name: 'a',
      connection: 'local',
      host: 'localhost',
      port: undefined,
      user: undefined,
      identityFile: undefined,
      become: 'none',
      jump: undefined,
      roles: [],
      address: 'localhost',
      stateDir: undefined,
    });
  });

  it('lets a node beat its cluster in user, become, jump and stateDir', () => {
    const text = cluster(
      '"user": "u", "become": "sudo", "jump": "bastion.example.com", "stateDir": "/s"',
      '{ "name": "n1", "user": "root", "become": "none", "jump": "none", "stateDir": "/t" }, { "name": "n2" }',
    );
    const [n1, n2] = model(text).clusters[0]?.nodes ?? [];
    assert.deepEqual([n1?.user, n1?.become, n1?.jump, n1?.stateDir], ['root', 'none', undefined, '/t']);
    assert.deepEqual([n2?.user, n2?.become, n2?.jump, n2?.stateDir], ['u', 'sudo', 'bastion.example.com', '/s']);
  });

  it('uses the name as host, so that an alias of ~/.ssh/config is enough', () => {
    assert.equal(model(cluster('')).clusters[0]?.nodes[0]?.host, 'n1');
  });

  it('says None in any case is no backup', () => {
    assert.equal(model(cluster('"upgrade": { "backup": "None" }')).clusters[0]?.upgrade.backup, 'none');
  });

  it('takes three local nodes, each with its own state directory', () => {
    const node = (name: string): string => `{ "name": "${name}", "connection": "local", "stateDir": "/s/${name}" }`;
    assert.equal(model(cluster('', ['a', 'b', 'c'].map(node).join())).clusters[0]?.nodes.length, 3);
  });

  // ▲ marks the place that must be named.
  const wrong: [what: string, code: string, text: string][] = [
    ['a syntax error', 'config-syntax', '{\n  "clusters": {▲,}\n}'],
    ['an empty file', 'config-syntax', '▲'],
    ['a list instead of an object', 'config-bad-value', '▲[]'],
    ['an unknown key at the top', 'config-unknown-key', '{ ▲"cluster": {} }'],
    ['an unknown key of a cluster', 'config-unknown-key', cluster('▲"prodction": true')],
    ['an unknown key of a node', 'config-unknown-key', cluster('', '{ "name": "n1", ▲"prot": 22 }')],
    ['a key that is there twice', 'config-duplicate-key', cluster('"primary": "n1", ▲"primary": "n2"')],
    ['two nodes of one name', 'config-duplicate-node', cluster('', '{ "name": "n1" }, { "name": ▲"N1", "host": "x" }')],
    [
      'two names for one machine',
      'config-duplicate-node',
      cluster('', '{ "name": "n1", "host": "h" }, ▲{ "name": "n2", "host": "h" }'),
    ],
    ['a role that no node has', 'config-unknown-role', cluster('"roleOrder": [▲"databse"]')],
    ['a primary that is no node', 'config-unknown-node', cluster('"primary": ▲"n3"')],
    [
      'a jump that is a misspelt node',
      'config-unknown-node',
      cluster('"jump": ▲"gatewya"', '{ "name": "gateway" }, { "name": "n2" }'),
    ],
    [
      'jumps in a circle',
      'config-jump-circle',
      cluster('', '{ "name": "n1", "jump": ▲"n2" }, { "name": "n2", "jump": "n1" }'),
    ],
    ['a node that jumps through itself', 'config-jump-circle', cluster('', '{ "name": "n1", "jump": ▲"n1" }')],
    ['a password', 'config-secret', cluster('▲"password": "x"')],
    ['a passphrase', 'config-secret', cluster('', '{ "name": "n1", ▲"keyPassphrase": "x" }')],
    [
      'a private key',
      'config-secret',
      cluster('"recipe": { "run": ▲"-----BEGIN OPENSSH PRIVATE KEY-----", "version": "x" }'),
    ],
    ['a password in a location', 'config-secret', '{ "backupLocations": { "a": ▲"sftp://u:p@h/x" } }'],
    [
      'a password in a restic address',
      'config-secret',
      '{ "backupLocations": { "a": ▲"restic:rest:https://u:p@h/" } }',
    ],
    ['a cluster without nodes', 'config-no-nodes', '{ "clusters": { "c": ▲{} } }'],
    ['a cluster with an empty list', 'config-no-nodes', '{ "clusters": { "c": { "nodes": ▲[] } } }'],
    ['a location named None', 'config-bad-location', '{ "backupLocations": { ▲"None": "file:///x" } }'],
    ['a location named localbackup', 'config-bad-location', '{ "backupLocations": { ▲"localbackup": "file:///x" } }'],
    ['an unknown scheme', 'config-bad-location', '{ "backupLocations": { "a": ▲"ftp://h/x" } }'],
    ['a relative file location', 'config-bad-location', '{ "backupLocations": { "a": ▲"file://x" } }'],
    ['.. in a file location', 'config-bad-location', '{ "backupLocations": { "a": ▲"file:///x/../y" } }'],
    ['an sftp location without a path', 'config-bad-location', '{ "backupLocations": { "a": ▲"sftp://u@h" } }'],
    ['an unknown location', 'config-unknown-location', cluster('"upgrade": { "backup": ▲"nightly" }')],
    ['rollback without a backup', 'config-bad-value', cluster('"upgrade": { "onFailure": ▲"rollback" }')],
    ['a port that is none', 'config-bad-value', cluster('', '{ "name": "n1", "port": ▲70000 }')],
    [
      'a host that ssh would read as an option',
      'config-bad-value',
      cluster('', '{ "name": "n1", "host": ▲"-oProxyCommand=x" }'),
    ],
    ['a relative state directory', 'config-bad-value', cluster('"stateDir": ▲"x"')],
    ['.. in a state directory', 'config-bad-value', cluster('"stateDir": ▲"/x/../y"')],
    ['a batch of zero', 'config-bad-value', cluster('"upgrade": { "batch": [▲"0"] }')],
    ['a node without a name', 'config-bad-value', cluster('', '▲{ "host": "h" }')],
    ['a name with a space', 'config-bad-value', cluster('', '{ "name": ▲"n 1" }')],
    ['__proto__ as a name', 'config-unknown-key', '{ "clusters": { ▲"__proto__": { "nodes": [{ "name": "n" }] } } }'],
    [
      'a jump for this machine',
      'config-bad-value',
      cluster('', '{ "name": "n1", "connection": "local", ▲"jump": "x" }'),
    ],
    [
      'this machine among others without an address',
      'config-bad-value',
      cluster('', '▲{ "name": "n1", "connection": "local" }, { "name": "n2" }'),
    ],
  ];
  for (const [what, code, marked] of wrong) {
    it(`finds ${what}, with its place`, () => {
      const before = marked.slice(0, marked.indexOf('▲')).split('\n');
      const place = `${String(before.length)}:${String((before.at(-1)?.length ?? 0) + 1)}`;
      assert.deepEqual(problems(marked.replace('▲', '')), [`${code} ${place}`]);
    });
  }

  it('collects all problems, in the order of the file', () => {
    const text = `{
  "clusters": {
    "c": {
      "user": 5,
      "nodes": [{ "name": "n1", "prot": 1 }, { "name": "n1", "host": "b" }],
      "primary": "nn",
      "token": "x"
    }
  },
  "backupLocations": { "none": "file:///x" }
}`;
    assert.deepEqual(problems(text), [
      'config-bad-value 4:15',
      'config-unknown-key 5:33',
      'config-duplicate-node 5:56',
      'config-unknown-node 6:18',
      'config-secret 7:7',
      'config-bad-location 10:24',
    ]);
  });

  it('says what was probably meant', () => {
    assert.equal(hintOf(cluster('"prodution": true')), 'Did you mean "production"?');
    assert.equal(hintOf(cluster('"primary": "nn1"', '{ "name": "n1" }')), 'Did you mean "n1"?');
    assert.match(hintOf(cluster('"zzz": 1')), /^Known here: nodes, user/);
  });

  it('never shows a secret in a message', () => {
    const secret = 'Tr0ub4dor';
    for (const text of [
      cluster(`"password": "${secret}"`),
      `{ "backupLocations": { "a": "sftp://u:${secret}@h/x" } }`,
      `{ "backupLocations": { "a": "ftp://u:${secret}@h/x" } }`,
      cluster(`"jump": "u:${secret}@h"`),
      cluster(`"user": "${secret} ${secret}"`),
    ]) {
      const told = JSON.stringify(checkClusters(text, 'f').problems.map((problem) => [problem.message, problem.hint]));
      assert.ok(!told.includes(secret), told);
      assert.ok(codes(text).length > 0);
    }
  });

  it('knows a port from a password', () => {
    assert.deepEqual(codes('{ "backupLocations": { "a": "sftp://h:22/srv/a", "b": "sftp://u@[::1]:2222/x" } }'), []);
  });

  it('lets a jump be another host, also one with a similar number', () => {
    assert.deepEqual(codes(cluster('"jump": "node4"', '{ "name": "node1" }, { "name": "node2" }')), []);
    assert.deepEqual(codes(cluster('"jump": "ops@bastion:2222"')), []);
  });

  it('counts columns without a byte order mark and with Windows line ends', () => {
    assert.deepEqual(problems('\uFEFF{\r\n  "x": 1 }'), ['config-unknown-key 2:3']);
  });

  it('refuses what is nested too deeply before it recurses', () => {
    assert.deepEqual(codes('['.repeat(200_000)), ['config-syntax']);
  });

  it('stays quick with more names than anyone has', () => {
    const nodes = Array.from(
      { length: 20_000 },
      (_, index) => `{ "name": "n${String(index)}", "jump": "m${String(index)}" }`,
    );
    assert.deepEqual(codes(cluster('', nodes.join())), ['config-bad-value']);
    const clusters = Array.from({ length: 20_000 }, (_, index) => `"c${String(index)}": {}`);
    assert.ok(codes(`{ "clusters": { ${clusters.join()} } }`).length <= 100);
  });
});

describe('loadClusters', () => {
  const folder = mkdtempSync(join(tmpdir(), 'clusters-'));
  const write = (name: string, content: string | Buffer): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };

  it('throws one error that holds every problem and says where each is', async () => {
    const path = write('two.json', cluster('"primary": "x", "zzz": 1'));
    await assert.rejects(loadClusters(path), (error: unknown) => {
      assert.ok(error instanceof ConfigError);
      assert.deepEqual(
        error.problems.map((problem) => problem.code),
        ['config-unknown-node', 'config-unknown-key'],
      );
      assert.equal(error.exit, 2);
      assert.deepEqual(error.at, { file: path, line: 2, column: 14 });
      assert.match(error.message, /two\.json:2:14: primary names "x".*\n.*two\.json:2:19: the key "zzz"/s);
      return true;
    });
  });

  const code = async (path: string): Promise<string> =>
    loadClusters(path).then(
      () => 'loaded',
      (error: unknown) => (error instanceof ClusterliftError ? error.code : 'another error'),
    );

  it('refuses what is no file, too large, or no UTF-8', async () => {
    assert.equal(await code(folder), 'config-unreadable');
    assert.equal(await code(join(folder, 'missing.json')), 'config-unreadable');
    assert.equal(await code(write('large.json', ' '.repeat(1024 * 1024 + 1))), 'config-too-large');
    assert.equal(await code(write('latin1.json', Buffer.from('{ "x": "\u00e9" }', 'latin1'))), 'config-syntax');
    assert.equal(await code(write('good.json', EXAMPLE)), 'loaded');
  });
});
