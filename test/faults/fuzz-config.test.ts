import { strict as assert } from 'node:assert';
import { ClusterliftError } from '../../src/base/errors';
import { withLocation } from '../../src/cluster/edit';
import { checkClusters } from '../../src/cluster/load';
import { EXAMPLE } from '../unit/cluster/example';
import { countFromEnv, seedFromEnv } from './random';

/** Mutated configs; FUZZ_CONFIGS sets how many, FUZZ_SEED which. */
const COUNT = countFromEnv('FUZZ_CONFIGS', 1000, 10_000);
const SEED = seedFromEnv();

/** mulberry32: small, quick, the same everywhere. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What a careless or a hostile hand would write. */
const PIECES = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  '\\',
  '//',
  '/*',
  '*/',
  '\n',
  '\r',
  '\u0000',
  '\uFEFF',
  '\u2028',
  '\ud800',
  '😀',
  '-',
  '1e999',
  '-0',
  'null',
  'true',
  '{}',
  '[]',
  '""',
  '"__proto__"',
  '"constructor": {}',
  '"toString"',
  '"name"',
  '"nodes": []',
  '"jump": "node2"',
  '"password": "x"',
  '"roleOrder": ["x"]',
  '"primary": 5',
  '"../../etc"',
  '"-oProxyCommand=x"',
  '"$(id)"',
  '9007199254740993',
  '[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[',
  '{"a":'.repeat(60),
  '"'.padEnd(5000, 'x'),
  '\\u0000',
  '\\ud800',
  '\\"',
];

function mutate(text: string, random: () => number): string {
  const at = (length: number): number => Math.floor(random() * (length + 1));
  const piece = (): string => PIECES[Math.floor(random() * PIECES.length)] ?? '';
  let mutated = text;
  const rounds = 1 + Math.floor(random() * 6);
  for (let round = 0; round < rounds; round++) {
    const start = at(mutated.length);
    const end = Math.min(mutated.length, start + at(40));
    const [head, middle, tail] = [mutated.slice(0, start), mutated.slice(start, end), mutated.slice(end)];
    switch (Math.floor(random() * 6)) {
      case 0:
        mutated = head + piece() + middle + tail;
        break;
      case 1:
        mutated = head + tail;
        break;
      case 2:
        mutated = head + middle + middle + tail;
        break;
      case 3:
        mutated = head + piece() + tail;
        break;
      case 4:
        mutated = head + String.fromCharCode(Math.floor(random() * 0x10000)) + middle + tail;
        break;
      default:
        mutated = swapValues(mutated, random);
    }
  }
  return mutated;
}

/** Puts one JSON text in the place of another: the file stays JSON, but what it says is wrong. */
function swapValues(text: string, random: () => number): string {
  const values = [...text.matchAll(/"[^"\n]*"|\b\d+\b|true|false/g)];
  const [one, other] = [values[Math.floor(random() * values.length)], values[Math.floor(random() * values.length)]];
  if (!one || !other) return text;
  return text.slice(0, one.index) + other[0] + text.slice(one.index + one[0].length);
}

/** Everything that must hold whatever the file says. */
function examine(text: string): 'good' | 'bad' {
  const { file, problems } = checkClusters(text, 'clusters.json');
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/);
  for (const problem of problems) {
    assert.match(problem.code, /^config-[a-z-]+$/);
    assert.equal(problem.exit, 2);
    assert.ok(problem.hint !== '' && problem.message !== '' && problem.message.length <= 500);
    assert.ok(problem.at && problem.at.line >= 1 && problem.at.line <= lines.length, 'a line of the file');
    assert.ok(
      problem.at.column >= 1 && problem.at.column <= (lines[problem.at.line - 1] ?? '').length + 1,
      'a column of the line',
    );
  }
  assert.ok(problems.length <= 100);
  assert.equal(file === undefined, problems.length > 0);
  for (const cluster of file?.clusters ?? []) {
    const names = cluster.nodes.map((node) => node.name);
    assert.ok(names.includes(cluster.primary));
    assert.equal(new Set(names).size, names.length);
    for (const node of cluster.nodes) {
      assert.match(node.name, /^[A-Za-z0-9][A-Za-z0-9._-]*$/);
      assert.ok(!node.host.startsWith('-') && !/\s/.test(node.host));
      assert.ok(node.stateDir === undefined || (node.stateDir.startsWith('/') && !node.stateDir.includes('/../')));
    }
  }
  return file ? 'good' : 'bad';
}

describe(`${String(COUNT)} mutated clusters.json (FUZZ_SEED=${String(SEED)})`, function () {
  this.timeout(600_000);

  it('are loaded, or refused with places and codes; nothing else', () => {
    const random = randomFrom(SEED);
    const seen = { good: 0, bad: 0 };
    const codes = new Set<string>();
    for (let index = 0; index < COUNT; index++) {
      const text = mutate(EXAMPLE, random);
      try {
        seen[examine(text)]++;
        for (const problem of checkClusters(text, 'f').problems) codes.add(problem.code);
      } catch (error) {
        throw new Error(`mutation ${String(index)} of seed ${String(SEED)}:\n${text}`, { cause: error });
      }
    }
    // The mutations reach beyond the parser, else this proves little.
    assert.ok(seen.bad > 0);
    assert.ok(COUNT < 500 || (seen.good > 0 && codes.size >= 6), [...codes].join(' '));
  });

  it('are edited into something that loads, or not at all', () => {
    const random = randomFrom(SEED + 1);
    for (let index = 0; index < COUNT / 10; index++) {
      const text = mutate(EXAMPLE, random);
      try {
        assert.equal(examine(withLocation(text, 'f', 'added', 'file:///added')), 'good');
      } catch (error) {
        if (!(error instanceof ClusterliftError))
          throw new Error(`mutation ${String(index)} of seed ${String(SEED)}:\n${text}`, { cause: error });
      }
    }
  });
});
