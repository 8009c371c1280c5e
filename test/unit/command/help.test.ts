import { strict as assert } from 'node:assert';
import { COMMANDS, GROUPS } from '../../../src/command/grammar';
import { helpText, usageLine } from '../../../src/command/help';
import { OPTIONS } from '../../../src/command/options';
import { parseCommand } from '../../../src/command/parse';

const topics = [undefined, ...Object.keys(GROUPS), ...COMMANDS.map((spec) => spec.name)];

describe('the help', () => {
  it('fits into 80 columns, and into wider and narrower terminals', () => {
    for (const width of [60, 80, 120]) {
      for (const topic of topics) {
        for (const line of helpText(topic, width).split('\n')) {
          // A command to copy is never broken.
          if (!line.startsWith('  clusterlift ')) assert.ok(line.length <= width, `${String(width)}: ${line}`);
          assert.equal(line, line.trimEnd());
        }
      }
    }
  });

  it('names every command, and the exit statuses', () => {
    const help = helpText(undefined);
    for (const spec of COMMANDS) assert.ok(help.includes(`\n  ${spec.name}`), spec.name);
    for (const status of [0, 1, 2, 3, 4, 5, 130]) assert.match(help, new RegExp(`^  ${String(status)} `, 'm'));
  });

  it('of a command explains its words and its options', () => {
    for (const spec of COMMANDS) {
      const help = helpText(spec.name);
      for (const key of spec.options)
        assert.ok(help.includes(`\n  ${OPTIONS[key].name}`), `${spec.name} ${OPTIONS[key].name}`);
    }
    assert.match(
      helpText('upgrade'),
      /^Usage: clusterlift upgrade \[<ISO>\|<URL>\] \[serial\|fast\] \[backup <location>\|none\]$/m,
    );
    assert.match(helpText('upgrade').replace(/\s+/g, ' '), /you will not be able to roll back/);
  });

  it('of check says that its only write is a temporary directory', () => {
    assert.match(helpText('check').replace(/\s+/g, ' '), /only write is a temporary directory/);
  });

  it('of a group lists its commands', () => {
    assert.match(helpText('backup'), /backup clean <location> keep <n>/);
    assert.doesNotMatch(helpText('backup'), /package inspect/);
  });

  it('has only examples that are understood', () => {
    for (const spec of COMMANDS) {
      for (const { line } of spec.examples) {
        const words = (line.split(' >')[0] ?? '').match(/'[^']*'|\S+/g) ?? [];
        const command = parseCommand(words.map((word) => word.replace(/^'|'$/g, '')));
        assert.equal(command.kind, spec.kind, line);
      }
    }
  });

  it('shows what is needed without brackets', () => {
    const unlock = COMMANDS.find((spec) => spec.kind === 'unlock');
    assert.ok(unlock);
    assert.equal(usageLine(unlock), 'clusterlift unlock --reason TEXT [options]');
  });
});
