import { strict as assert } from 'node:assert';
import { parse } from 'jsonc-parser';
import manifest from '../../../package.json';
import { ClusterliftError } from '../../../src/base/errors';
import { formatCommand, wholeArgv } from '../../../src/command/format';
import { parseCommand } from '../../../src/command/parse';
import type { RunRecord } from '../../../src/engine/journal/runs';
import { commandOf, definitionOf, explicit, givenFor, refusal } from '../../../src/vscode/tasks/definition';
import { standsIn } from '../../../src/vscode/tasks/entries';
import { openRun } from '../../../src/vscode/tasks/open-run';
import { Permission } from '../../../src/vscode/tasks/permission';
import { placeInTask, withTask, wordsOf } from '../../../src/vscode/tasks/tasks-json';

/** As written for version 0.1.0, with every property that a task had there. It stays as it is: files like it exist. */
const OLD_TASKS = `{
  // ours
  "version": "2.0.0",
  "tasks": [
    {
      "label": "up", "type": "clusterlift", "command": "upgrade", "cluster": "staging", "config": "clusters.json",
      "package": "a.iso", "mode": "fast", "backup": "nightly", "nodes": ["n1", "n2"], "batch": ["1", "25%", "100%"],
      "maxFailures": "10%", "onFailure": "rollback", "sha256": "${'0'.repeat(64)}", "override": ["unhealthy", "locked=n1"],
      "fetch": "primary", "distribution": "relay", "limitRate": "10MiB", "giveUp": "2h", "dryRun": true, "ask": false,
      "confirm": "staging"
    },
    { "label": "look", "type": "clusterlift", "command": "check", "package": "node:/root/a.iso" },
    { "label": "state", "type": "clusterlift", "command": "status" },
    { "label": "save", "type": "clusterlift", "command": "backup create", "backup": "nightly", "ask": true },
    { "label": "back", "type": "clusterlift", "command": "restore", "point": "p1", "location": "nightly" },
    { "label": "set", "type": "clusterlift", "command": "provision" },
  ],
}`;

const lineOf = (definition: Record<string, unknown>): string =>
  formatCommand(commandOf({ type: 'clusterlift', ...definition }));

describe('Tasks of tasks.json', () => {
  it('mean the same as a command line', () => {
    const upgrade = {
      command: 'upgrade',
      cluster: 'staging',
      package: 'a.iso',
      mode: 'serial',
      backup: 'nightly',
      batch: ['1', '25%'],
    };
    assert.equal(
      lineOf({ ...upgrade, batch: undefined }),
      'clusterlift upgrade a.iso serial backup nightly --cluster staging',
    );
    assert.equal(lineOf({ command: 'check' }), 'clusterlift check');
    for (const command of ['backup', 'backup create'] as const) {
      assert.equal(lineOf({ command, backup: 'nightly' }), 'clusterlift backup create nightly');
    }
    assert.equal(
      lineOf({ command: 'provision', cluster: 'x', limitRate: undefined, giveUp: '30m' }),
      'clusterlift provision --cluster x --give-up 30m',
    );
    assert.match(
      lineOf({ command: 'restore', point: 'p', location: 'nightly' }),
      /backup restore p .*--location nightly/,
    );
  });

  it('of version 0.1.0 still mean the same: no property or value was renamed', () => {
    const { tasks } = parse(OLD_TASKS, [], { allowTrailingComma: true }) as { tasks: Record<string, unknown>[] };
    // The editor keeps the label for itself.
    const definitions = tasks.map((task) =>
      Object.fromEntries(Object.entries(task).filter(([key]) => key !== 'label')),
    );
    assert.deepEqual(
      definitions.map((each) => wholeArgv(commandOf(each)).join(' ')),
      [
        `upgrade a.iso fast backup nightly --cluster staging --config clusters.json --nodes n1,n2 --batch 1,25%,100% --max-failures 10% --on-failure rollback --sha256 ${'0'.repeat(64)} --fetch primary --distribution relay --limit-rate 10MiB --give-up 2h --dry-run --override unhealthy --override locked=n1 --confirm staging`,
        'check node:/root/a.iso',
        'status',
        'backup create nightly --ask',
        'backup restore p1 --location nightly',
        'provision',
      ],
    );
    const known = Object.keys(manifest.contributes.taskDefinitions[0]?.properties ?? {});
    const used = new Set(definitions.flatMap((each) => Object.keys(each)));
    used.delete('type');
    assert.deepEqual([...used].sort(), known.sort());
  });

  it('come back as the same command when they are saved', () => {
    for (const line of [
      'upgrade a.iso serial backup none --cluster x --nodes a,b --limit-rate 10MiB',
      'backup create nightly',
      'check b.iso',
      'provision fast --give-up 2h',
    ]) {
      const command = parseCommand(line.split(' '));
      const definition = definitionOf(command);
      assert.ok(definition);
      assert.deepEqual(commandOf({ ...definition }), command);
    }
  });

  it('always say mode and backup when they are saved, and never a typed name', () => {
    const definition = definitionOf(parseCommand(['upgrade', '--confirm', 'prod', '--cluster', 'prod']));
    assert.ok(definition);
    const saved = explicit(definition, { mode: 'fast', backup: 'none' });
    assert.deepEqual(saved, { type: 'clusterlift', command: 'upgrade', cluster: 'prod', mode: 'fast', backup: 'none' });
    const provision = definitionOf(parseCommand(['provision', '--confirm', 'prod', '--cluster', 'prod']));
    assert.ok(provision);
    assert.deepEqual(explicit(provision, { mode: 'fast', backup: 'none' }), {
      type: 'clusterlift',
      command: 'provision',
      cluster: 'prod',
    });
  });

  it('take numbers where people write numbers, and what the schema of the editor takes', () => {
    assert.equal(
      lineOf({ command: 'upgrade', maxFailures: 1, batch: [1, '50%'], limitRate: 1024 }),
      'clusterlift upgrade --batch 1,50% --max-failures 1 --limit-rate 1KiB',
    );
    const [schema] = manifest.contributes.taskDefinitions;
    assert.ok(schema);
    const { command, maxFailures, batch, limitRate } = schema.properties;
    for (const { type } of [maxFailures, batch.items, limitRate]) assert.deepEqual(type, ['string', 'integer']);
    for (const each of command.enum)
      lineOf({ command: each, backup: 'nightly', ...(each === 'restore' && { point: 'p' }) });
    assert.throws(() => lineOf({ command: 'backup verify', backup: 'nightly' }));
  });

  it('keep no secret of a URL, but the run that is started gets all of it', () => {
    const url = 'https://me:pass@host/a.iso?token=abc';
    for (const kind of ['upgrade', 'check'] as const) {
      const command = { kind, package: url, options: {} };
      const definition = definitionOf(command);
      assert.ok(definition);
      assert.doesNotMatch(JSON.stringify(definition), /pass|abc/);
      const started = commandOf(givenFor(command)({ ...definition }));
      assert.ok(wholeArgv(started).includes(url));
      assert.doesNotMatch(formatCommand(started), /pass|abc/);
    }
  });

  it('skip the question only where exactly they stand in a tasks.json: no label, no other point, no other answer', () => {
    const restore = { type: 'clusterlift', command: 'restore', cluster: 'prod', point: 'a', location: 'nightly' };
    const entry = { label: 'restore prod', ...restore, problemMatcher: [], presentation: { reveal: 'always' } };
    assert.equal(standsIn([entry], restore), true);
    assert.equal(standsIn([{ type: 'shell', command: 'x' }, entry], { ...restore, _key: 'x', mode: undefined }), true);
    for (const other of [
      { ...restore, point: 'b' },
      { ...restore, confirm: 'prod' },
      { ...restore, nodes: ['n1'] },
      { type: 'clusterlift', command: 'restore', cluster: 'prod', point: 'a' },
      { ...restore, type: 'shell' },
    ])
      assert.equal(standsIn([entry], other), false, JSON.stringify(other));
    assert.equal(standsIn([{ ...entry, override: ['foreign-point'] }], restore), false);
    for (const nothing of [undefined, null, {}, [], ['restore'], [null]])
      assert.equal(standsIn(nothing, restore), false);
  });

  it('that a person has just confirmed start once without a question: this definition, soon, never twice', () => {
    let now = 0;
    const definition = { type: 'clusterlift', command: 'restore', point: 'a' };
    const permission = (): Permission => new Permission(definition, () => now);
    const one = permission();
    assert.equal(one.take({ point: 'a', command: 'restore', type: 'clusterlift', _id: 7 }), true);
    assert.equal(one.take(definition), false, 'run again');
    const other = permission();
    assert.equal(other.take({ ...definition, point: 'b' }), false);
    assert.equal(other.take(definition), false, 'used up by a start that it was not for');
    const late = permission();
    now += 61_000;
    assert.equal(late.take(definition), false);
    const never = permission();
    never.revoke();
    assert.equal(never.take(definition), false);
  });

  it('follow a run that is on with the same options, and never one of another clusters.json', () => {
    const command = parseCommand(['upgrade', 'a.iso', '--cluster', 'staging', '--yes']);
    const live = (configFile: string, line: string): Pick<RunRecord, 'run' | 'state' | 'plan'> => ({
      run: configFile,
      state: 'live',
      plan: { configFile, command: line } as RunRecord['plan'],
    });
    const line = 'clusterlift upgrade a.iso --cluster staging';
    const records = [live('/a/clusters.json', line), live('/b/clusters.json', line)];
    assert.equal(openRun(records, command, '/b/clusters.json'), '/b/clusters.json');
    assert.equal(openRun(records, command, '/c/clusters.json'), undefined);
    assert.equal(openRun([live('/a/clusters.json', `${line} --nodes n1`)], command, '/a/clusters.json'), undefined);
  });

  it('refuse what they do not understand, naming the property', () => {
    const refused: [Record<string, unknown>, string][] = [
      [{ command: 'destroy' }, 'task-command'],
      [{ command: 'upgrade', mode: 'later' }, 'task-mode'],
      [{ command: 'upgrade', package: 'ftp://x/a.iso' }, 'task-package'],
      [{ command: 'upgrade', sha256: 'no' }, 'task-sha256'],
      [{ command: 'upgrade', backup: 7 }, 'task-backup'],
      [{ command: 'status', dryRun: true }, 'task-dryRun'],
      [{ command: 'restore' }, 'task-point'],
      [{ command: 'upgrade', cluster: '$(reboot)' }, 'task-cluster'],
    ];
    for (const [definition, code] of refused) {
      assert.throws(
        () => commandOf(definition),
        (error) => error instanceof ClusterliftError && error.code === code && error.exit === 2,
        code,
      );
    }
  });

  it('that the editor would start by itself are refused, unless they only look', () => {
    const at = { isBackground: false, runOn: undefined };
    assert.equal(refusal({ command: 'upgrade' }, at), undefined);
    assert.equal(refusal({ command: 'upgrade' }, { ...at, isBackground: true })?.code, 'task-starts-itself');
    assert.equal(refusal({ command: 'restore' }, { ...at, runOn: 'folderOpen' })?.code, 'task-starts-itself');
    const itself = { isBackground: true, runOn: 'folderOpen' };
    assert.equal(refusal({ command: 'check' }, itself), undefined);
    assert.equal(refusal({ command: 'upgrade', dryRun: true }, itself), undefined);
    // Its scripts would run on the nodes.
    assert.equal(refusal({ command: 'check', package: 'a.iso' }, itself)?.code, 'task-starts-itself');
    assert.equal(refusal({ command: 'upgrade', dryRun: true, package: 'a.iso' }, itself)?.code, 'task-starts-itself');
    assert.equal(refusal({ command: 'check', package: 'a.iso' }, at), undefined);
  });

  it('are added to a tasks.json without losing its comments', () => {
    const before =
      '{\n  // ours\n  "version": "2.0.0",\n  "tasks": [\n    { "label": "a", "type": "shell" } // first\n  ]\n}\n';
    const after = withTask(before, 'check x', { type: 'clusterlift', command: 'check', cluster: 'x' });
    for (const kept of ['// ours', '// first', '"label": "a"', '"label": "check x"', '"problemMatcher": []'])
      assert.ok(after.includes(kept), after);
    assert.match(withTask('', 'b', { type: 'clusterlift', command: 'check' }), /"version": "2\.0\.0"[^]*"label": "b"/);
  });

  it('are found again in the text, by label or by definition, also in a workspace file', () => {
    const wrong = { type: 'clusterlift', command: 'check', cluster: 'x', nodes: ['n9'] };
    const others = { type: 'shell', label: 'a', cluster: 'shell' };
    const text = JSON.stringify({ tasks: [others, { ...wrong, cluster: 'y' }, { ...wrong, label: 'a' }] });
    const read = (
      written: string,
      name: string,
      properties: readonly string[],
      definition: object = wrong,
    ): unknown => {
      const place = placeInTask(written, { name, definition: { ...definition } }, properties);
      return place && (JSON.parse(written.slice(place.offset, place.offset + place.length)) as unknown);
    };
    assert.deepEqual(read(text, 'a', ['nodes']), ['n9']);
    assert.equal(read(text, 'a', ['point', 'cluster']), 'x');
    assert.equal(read(text, 'a', []), 'a');
    assert.equal(read(text, 'check y', ['cluster'], { ...wrong, cluster: 'y', _key: 1 }), 'y');
    assert.equal(read(JSON.stringify({ folders: [], tasks: JSON.parse(text) as unknown }), 'a', ['cluster']), 'x');
    for (const none of ['', '{', '[]', '{"tasks":{}}', '{"tasks":[1,null,[]]}'])
      assert.equal(placeInTask(none, { name: 'a', definition: wrong }, ['nodes']), undefined, none);
  });

  it('read back the words of a command line that was written with quotes', () => {
    const command = parseCommand(['upgrade', "it's a $(file).iso", 'serial']);
    assert.deepEqual(parseCommand(wordsOf(formatCommand(command)).slice(1)), command);
  });
});
