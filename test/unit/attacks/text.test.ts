import { strict as assert } from 'node:assert';
import { execFileSync } from 'node:child_process';
import { hasCode } from '../../../src/base/errors';
import { quote, shellWord } from '../../../src/base/shell';
import { line, plain } from '../../../src/base/text';
import { readPointId } from '../../../src/backup/points/point';
import { checkClusters } from '../../../src/cluster/load';
import { parseJournal } from '../../../src/engine/journal/journal';
import { isRunName } from '../../../src/engine/node/lock';
import { parsePlan } from '../../../src/engine/journal/schema';
import { parseManifest } from '../../../src/package/manifest';
import { Secrets } from '../../../src/ssh/secrets';
import { asLabel, asMessage } from '../../../src/vscode/shared/escape';

/** Attacks by text that comes from nodes, packages and files: it stays data wherever it arrives. */
describe('attacks on the terminal', () => {
  const ESCAPES: readonly [string, string][] = [
    ['the title of the window', '\u001b]0;title\u0007'],
    ['a link', '\u001b]8;;http://evil/\u001b\\text\u001b]8;;\u001b\\'],
    ['a colour', '\u001b[31mred'],
    ['a clear screen', '\u001b[2J\u001b[H'],
    ['a question to the terminal', '\u001b[6n'],
    ['a device control string', '\u001bP1$r0m\u001b\\'],
    ['a C1 control', '\u009b31m'],
    ['an escape inside an escape', '\u001b\u001b[31m[31m'],
    ['an unfinished escape', 'text\u001b['],
    ['a carriage return', 'failed\rok    '],
    ['a backspace', 'failed\b\b\b\b\b\bpassed'],
    ['a turn of the reading direction', 'gpj.\u202eexe'],
    ['an isolate', '\u2066a\u2069'],
    ['an Arabic letter mark', 'a\u061cb'],
    ['a line separator', 'a\u2028b\u2029c'],
    ['a NUL', 'a\u0000b'],
  ];
  for (const [title, text] of ESCAPES)
    it(`takes away ${title}`, () => {
      // eslint-disable-next-line no-control-regex -- control characters are the subject here
      const left = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;
      assert.doesNotMatch(plain(text), left);
      assert.doesNotMatch(line(text), left);
    });
});

describe('attacks on the editor', () => {
  it('makes no icon of a name', () => {
    for (const text of ['$(trash)', '$(sync~spin) ok', 'a$(check)b']) assert.match(asLabel(text), /\\\$\(/);
  });
  it('makes no link of a message, which could run a command', () => {
    for (const text of ['[ok](command:evil)', '[a][b](command:evil)', 'x](command:evil)'])
      assert.doesNotMatch(asMessage(text), /\]\(/);
  });
});

describe('attacks by names', () => {
  const HOSTILE = ['', '.', '..', '../x', 'a/b', '/etc', 'a\nb', 'a\0b', '-rf', '$(id)', '`id`', 'a b', '\u202ea', 'é'];
  for (const name of HOSTILE) {
    it(`takes ${JSON.stringify(name)} for no run`, () => {
      assert.equal(isRunName(name), false);
    });
    it(`takes ${JSON.stringify(name)} for no restore point`, () => {
      assert.equal(readPointId(name), undefined);
      assert.equal(readPointId(`20261122T201755Z-${name}-4f2a9c`), undefined);
    });
  }
  for (const path of ['/bin/sh', '../x', 'a/../../x', '', '.', 'a//b', './x', 'a\nb', 'a\0b'])
    it(`takes ${JSON.stringify(path)} for no script of a package`, () => {
      const text = JSON.stringify({
        schema: 1,
        product: 'p',
        version: '1',
        scripts: { version: path, upgrade: 'bin/upgrade' },
      });
      assert.throws(() => parseManifest(text));
    });
});

describe('attacks by JSON', () => {
  const DEEP = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
  const PROTO = '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}';
  const READERS: readonly [string, (text: string) => unknown][] = [
    ['a plan', (text) => parsePlan(text, 'plan')],
    ['a manifest', (text) => parseManifest(text)],
    ['a clusters.json', (text) => checkClusters(text, 'clusters.json')],
    ['a journal', (text) => parseJournal(`${text}\n`, 'journal')],
  ];
  for (const [what, read] of READERS)
    for (const [title, text] of [
      ['100,000 levels', DEEP],
      ['__proto__', PROTO],
      ['a deep __proto__', `{"clusters":${PROTO},"scripts":${PROTO}}`],
    ] as const)
      it(`${what} with ${title} is refused or harmless`, () => {
        try {
          read(text);
        } catch (error) {
          assert.ok(!(error instanceof RangeError), String(error));
        }
        assert.equal(({} as { polluted?: boolean }).polluted, undefined);
      });
  it('a plan that is not one names its fault', () => {
    assert.throws(
      () => parsePlan('{"schema":1}', 'here'),
      (error) => hasCode(error, 'plan-invalid'),
    );
  });
});

describe('attacks on a shell', () => {
  const WORDS = [
    "it's",
    '"',
    '`id`',
    '$(id)',
    '$HOME',
    'a\nb',
    'a;id',
    'a|id',
    'a&',
    '>x',
    '*',
    '~',
    '\\',
    '!x',
    '#x',
    '-n',
    '',
    "'; id; '",
    '%s',
    'é日',
  ];
  for (const word of WORDS)
    it(`${JSON.stringify(word)} arrives as one word that is itself`, () => {
      for (const quoted of [quote(word), shellWord(word)]) {
        const out = execFileSync('sh', ['-c', `set -- ${quoted}; printf '%s:%s' "$#" "$1"`], { encoding: 'utf8' });
        assert.equal(out, `1:${word}`);
      }
    });
});

describe('attacks on what masks secrets', () => {
  const SECRET = 'p&ss "wörd"/+';
  for (const [title, form] of [
    ['itself', SECRET],
    ['in a URL', encodeURIComponent(SECRET)],
    ['in JSON', JSON.stringify(SECRET).slice(1, -1)],
    ['as base64', Buffer.from(SECRET).toString('base64')],
    ['twice', `${SECRET}${SECRET}`],
  ] as const)
    it(`it is masked ${title}`, () => {
      const secrets = new Secrets();
      secrets.provide('ssh-password', SECRET);
      const masked = secrets.redact(`before ${form} after`);
      assert.doesNotMatch(masked, /wörd|w%C3%B6rd/);
      assert.ok(!masked.includes(form), masked);
      assert.match(masked, /^before \*+ after$/);
    });
  it('leaves the environment of everything that is started', () => {
    const env: Record<string, string | undefined> = {
      CLUSTERLIFT_SSH_PASSWORD: 'one',
      CLUSTERLIFT_BACKUP_PASSWORD: 'two',
      CLUSTERLIFT_BECOME_PASSWORD: 'three',
      CLUSTERLIFT_RESTIC_PASSWORD: 'four',
      CLUSTERLIFT_KEY_PASSPHRASE: 'five',
      CLUSTERLIFT_URL_AUTH: 'six:seven',
      CLUSTERLIFT_SSH_PASSWORD_FILE: '/nowhere',
      OTHER: 'stays',
    };
    Secrets.take(env);
    assert.deepEqual(env, { OTHER: 'stays' });
  });
});
