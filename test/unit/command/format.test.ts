import { strict as assert } from 'node:assert';
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { ClusterliftError } from '../../../src/base/errors';
import { ANSWERS, SHELLS, type Command, type CommandKind, type OptionKey } from '../../../src/command/command';
import { formatArgv, formatCommand, wholeArgv } from '../../../src/command/format';
import { commandSpec, COMMANDS } from '../../../src/command/grammar';
import { OPTION_KEYS } from '../../../src/command/options';
import { parseCommand } from '../../../src/command/parse';
import { isText } from '../../../src/command/values';

const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,20}$/);
const freeText = fc.string({ unit: 'binary', minLength: 1, maxLength: 30 }).filter((text) => isText(text));
const entry = fc.oneof(
  fc.integer({ min: 1, max: 999_999 }).map(String),
  fc.integer({ min: 1, max: 100 }).map((percent) => `${String(percent)}%`),
);
const decisions = fc.uniqueArray(
  fc.record({ node: name, answer: fc.constantFrom(...ANSWERS) }, { noNullPrototype: true }),
  {
    selector: (each) => each.node,
    minLength: 1,
    maxLength: 3,
  },
);

const optionValues: Readonly<Record<OptionKey, fc.Arbitrary<unknown>>> = {
  cluster: name,
  config: freeText,
  nodes: fc.uniqueArray(name, { minLength: 1, maxLength: 4 }),
  batch: fc.array(entry, { minLength: 1, maxLength: 4 }),
  maxFailures: fc.oneof(
    fc.nat(999).map(String),
    fc.nat(100).map((percent) => `${String(percent)}%`),
  ),
  onFailure: fc.constantFrom('stop', 'continue', 'rollback'),
  sha256: fc.stringMatching(/^[0-9a-f]{64}$/),
  dryRun: fc.constant(true),
  override: fc.uniqueArray(fc.stringMatching(/^[a-z][a-z0-9-]{0,20}(=[A-Za-z0-9][A-Za-z0-9._-]{0,10})?$/), {
    minLength: 1,
    maxLength: 3,
  }),
  location: name,
  fetch: fc.constantFrom('here', 'primary'),
  distribution: fc.constantFrom('auto', 'direct', 'relay'),
  limitRate: fc.oneof(
    fc.integer({ min: 1, max: 2 ** 45 }),
    fc.integer({ min: 1, max: 999 }).map((mib) => mib * 1024 ** 2),
  ),
  giveUp: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  reason: freeText,
  fromNodes: fc.constant(true),
  decide: decisions,
  json: fc.constant(true),
  yes: fc.constant(true),
  ask: fc.constant(true),
  confirm: name,
  acceptNewHostKeys: fc.constant(true),
};

const packages = fc.oneof(
  freeText
    .filter((text) => !text.includes('://') && text !== 'node:')
    .map((text) => (/[./]/.test(text) ? text : `./${text}`)),
  freeText.map((path) => `node:/${path}`),
  fc.webUrl({ validSchemes: ['http', 'https'] }),
);
const maybe = <T>(key: string, value: fc.Arbitrary<T>): fc.Arbitrary<object> =>
  fc.oneof(
    fc.constant({}),
    value.map((each) => ({ [key]: each })),
  );
const mode = maybe('mode', fc.constantFrom('serial', 'fast'));

const words: Readonly<Record<CommandKind, fc.Arbitrary<object>[]>> = {
  upgrade: [
    maybe('package', packages),
    mode,
    maybe(
      'backup',
      fc.oneof(
        fc.constant('none'),
        name.filter((each) => !/^none$/i.test(each)),
      ),
    ),
  ],
  status: [],
  check: [maybe('package', packages)],
  provision: [mode],
  'backup-add': [
    fc.record({
      name: freeText,
      uri: fc.constantFrom('file:///a b', 'sftp://u@h:22/x@y', 'restic:rest:https://h:8000/'),
    }),
  ],
  'backup-remove': [fc.record({ name: freeText })],
  'backup-list': [maybe('location', name)],
  'backup-create': [fc.record({ location: name })],
  'backup-verify': [fc.record({ point: name })],
  'backup-restore': [fc.record({ point: name })],
  'backup-clean': [fc.record({ location: name, keep: fc.integer({ min: 1, max: 999_999 }) })],
  'package-inspect': [fc.record({ package: packages })],
  runs: [
    maybe(
      'run',
      name.filter((each) => each !== 'abandon'),
    ),
  ],
  'runs-abandon': [fc.record({ run: name })],
  attach: [maybe('run', name)],
  resume: [maybe('run', name)],
  stop: [maybe('run', name)],
  unlock: [],
  help: [maybe('topic', fc.constantFrom('backup', 'package', ...COMMANDS.map((spec) => spec.name)))],
  version: [],
  completion: [fc.record({ shell: fc.constantFrom(...SHELLS) })],
};

/** Any command that the grammar allows, with any of its options. */
const anyCommand: fc.Arbitrary<Command> = fc.constantFrom(...COMMANDS).chain((spec) => {
  const options = fc.record(Object.fromEntries(spec.options.map((key) => [key, optionValues[key]])), {
    requiredKeys: [...(spec.needs ?? [])],
  });
  return fc.tuple(options, ...words[spec.kind]).map(([given, ...parts]) => {
    const command = parts.reduce<object>((all, part) => ({ ...all, ...part }), { kind: spec.kind });
    const own: Record<string, unknown> = { ...given };
    if ('mode' in command && command.mode === 'serial') delete own['batch'];
    if ('ask' in own) {
      delete own['yes'];
      delete own['confirm'];
    }
    return { ...command, options: own } as object as Command;
  });
});

describe('formatCommand', () => {
  it('knows every option and every command that there is', () => {
    assert.deepEqual(Object.keys(optionValues).sort(), [...OPTION_KEYS].sort());
    for (const kind of Object.keys(words)) assert.doesNotThrow(() => commandSpec(kind as CommandKind));
  });

  it('gives words that are read as the same command', () => {
    fc.assert(
      fc.property(anyCommand, (command) => {
        assert.deepEqual(
          parseCommand(formatArgv(command)),
          parseCommand(formatArgv(parseCommand(formatArgv(command)))),
        );
        assert.deepEqual(parseCommand(formatArgv(command)), command);
      }),
      { numRuns: 1000 },
    );
  });

  it('gives a line that a real shell takes apart into the same command', function () {
    if (process.platform === 'win32') this.skip();
    const commands = fc.sample(anyCommand, 300);
    const script = `clusterlift() { printf '%s\\n' "$@"; echo; }\n${commands.map(formatCommand).join('\n')}\n`;
    const output = execFileSync('sh', [], { input: script, encoding: 'utf8' });
    const lines = output.split('\n\n').slice(0, -1);
    assert.equal(lines.length, commands.length);
    for (const [index, each] of lines.entries()) assert.deepEqual(parseCommand(each.split('\n')), commands[index]);
  });

  it('looks like what a person would write', () => {
    const line = (command: Command): string => formatCommand(command);
    assert.equal(
      line({
        kind: 'upgrade',
        package: 'my file.iso',
        mode: 'serial',
        backup: 'nightly',
        options: { giveUp: 7_200_000, limitRate: 10_485_760 },
      }),
      "clusterlift upgrade 'my file.iso' serial backup nightly --limit-rate 10MiB --give-up 2h",
    );
    assert.equal(
      line({ kind: 'backup-clean', location: 'nightly', keep: 3, options: {} }),
      'clusterlift backup clean nightly keep 3',
    );
    assert.equal(
      line({ kind: 'unlock', options: { reason: "it's gone" } }),
      "clusterlift unlock --reason 'it'\\''s gone'",
    );
    assert.equal(line({ kind: 'unlock', options: { reason: '-x' } }), 'clusterlift unlock --reason=-x');
  });

  it('gives a file that is named like a word its folder', () => {
    for (const file of ['serial', 'Backup', 'fasst']) {
      const [, word] = formatArgv({ kind: 'upgrade', package: file, options: {} });
      assert.equal(word, `./${file}`);
    }
  });

  it('never shows a secret', () => {
    const url = 'https://user:Tr0ub4dor@host/a.iso?token=Tr0ub4dor#Tr0ub4dor';
    assert.equal(
      formatCommand({ kind: 'upgrade', package: url, options: {} }),
      'clusterlift upgrade https://host/a.iso',
    );
    assert.deepEqual(
      wholeArgv({ kind: 'upgrade', package: url, options: {} }),
      ['upgrade', url],
      'for our own process',
    );
    assert.equal(
      formatCommand({ kind: 'backup-add', name: 'a', uri: 'restic:rest:https://user:Tr0ub4dor@host/', options: {} }),
      'clusterlift backup add a restic:rest:https://user@host/',
    );
  });
});

describe('parseCommand', () => {
  it('refuses nonsense with a code, never otherwise', () => {
    const known = fc.constantFrom(
      'upgrade',
      'backup',
      'add',
      'serial',
      'keep',
      'cluster',
      'help',
      '--',
      '-h',
      '--nodes',
      '--decide=',
      '=',
      '-',
    );
    const word = fc.oneof(known, fc.string(), fc.string({ unit: 'binary' }));
    fc.assert(
      fc.property(fc.array(word, { maxLength: 8 }), (argv) => {
        try {
          const command = parseCommand(argv);
          assert.ok(COMMANDS.some((spec) => spec.kind === command.kind));
        } catch (error) {
          assert.ok(error instanceof ClusterliftError, String(error));
          assert.match(error.code, /^usage-/);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
