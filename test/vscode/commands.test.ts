import { strict as assert } from 'node:assert';
import { copyFile, cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'jsonc-parser';
import manifest from '../../package.json';
import english from '../../package.nls.json';
import { acmePackage, acmeVersion, clearKnob, executions, setKnob } from '../lab/acme';
import type { Lab } from '../lab/nodes';
import { acmeCluster, begun, needsLab, run, start, underWay } from '../integration/cli/scene';
import { useEditor } from './harness/fixture';
import type { QuickInput } from './harness/quickinput';
import { ROOT } from './harness/server';
import { until } from './harness/until';
import type { Workbench } from './harness/workbench';

type Id = keyof typeof TITLES;
const TITLES = Object.fromEntries(
  manifest.contributes.commands.map(({ command, title }) => [
    command.replace('clusterlift.', ''),
    english[title.slice(1, -1) as keyof typeof english],
  ]),
);

/** Commands that a whole test of their own is about. */
const ELSEWHERE: Readonly<Record<Id, string>> = {
  upgrade: 'upgrade.test.ts',
  status: 'upgrade.test.ts',
  follow: 'survival.test.ts',
  rollBack: 'rollback-nodes.test.ts',
  openClustersFile: 'views.test.ts',
  filter: 'views.test.ts',
  clearFilter: 'views.test.ts',
  inspectPackage: 'hostile.test.ts',
  showNodeOutput: 'hostile.test.ts',
  openTerminal: 'connect.test.ts',
};

/** One day with a cluster of two nodes: every other command, from the palette, and what came of it on real nodes. */
describe('Each command', function () {
  this.timeout(600_000);
  const editor = useEditor({
    vsix: join(ROOT, 'clusterlift.vsix'),
    settings: { 'clusterlift.refreshOnShow': false },
  });
  let lab: Lab;
  let clusters: object;
  const file = (): string => join(editor.folder, '.vscode/clusters.json');
  const shown: Id[] = [];

  before(async function () {
    needsLab(this);
    lab = await acmeCluster([{}, {}]);
    for (const node of lab.nodes) await node.must('mkdir -p /srv/vault');
    await offer('2.0');
    await cp(join(lab.home, '.ssh'), join(editor.server.home, '.ssh'), { recursive: true });
    await writeFile(join(editor.server.home, '.ssh/config'), 'Host spare\n  HostName 127.0.0.1\n  Port 1\n');
    await mkdir(join(editor.folder, '.vscode'), { recursive: true });
    const backup = { paths: ['/etc/acme', '/opt/acme'] };
    clusters = { lab: { user: 'root', backup, ...lab.clustersJson().clusters['lab'] } };
    await editor.workbench.container('Clusters');
  });

  after(async () => {
    await (lab as Lab | undefined)?.stop();
  });

  /** Lays a package where the newest is looked for. */
  async function offer(version: string): Promise<void> {
    const { path } = await acmePackage(version);
    await copyFile(path, join(lab.node('n1').root, `root/acme-${version}.iso`));
  }

  async function configured(): Promise<{ clusters: Record<string, unknown>; backupLocations?: object }> {
    return parse(await readFile(file(), 'utf8')) as Awaited<ReturnType<typeof configured>>;
  }

  /** From an empty panel: what is read afterwards is new. */
  async function command(id: Id): Promise<QuickInput> {
    const { workbench } = editor;
    await workbench.command('Terminal: Kill All Terminals');
    await until('an empty panel', async () => (await workbench.terminalText()) === '');
    await workbench.command(`Clusterlift: ${TITLES[id] ?? ''}`);
    return workbench.quickInput();
  }

  /** Chooses a row, once the list is the one that is meant. */
  async function choose(pick: QuickInput, placeholder: string, row: string | RegExp): Promise<void> {
    await until(placeholder, async () => (await pick.placeholder()).includes(placeholder), 60_000);
    await pick.choose(row);
  }

  async function answer(pick: QuickInput, prompt: string, text: string): Promise<void> {
    await until(prompt, async () => (await pick.message()).includes(prompt));
    await pick.type(text);
    await pick.accept();
  }

  async function press(text: string | RegExp, button: string): Promise<void> {
    const { workbench } = editor;
    const dialog = await until('the question', () => workbench.dialog(), 30_000);
    assert.match(dialog.text, new RegExp(text));
    await workbench.dialogButton(button);
  }

  /** The steps of the wizard: the newest, one node after the other, without a backup, all nodes. */
  async function wizard(pick: QuickInput): Promise<void> {
    await choose(pick, 'Which package?', /Newest/);
    await choose(pick, 'rolled out?', /One node after the other/);
    await choose(pick, 'Create a backup', /No backup/);
    await until('the nodes', async () => (await pick.placeholder()).includes('Which nodes?'));
    await pick.ok();
  }

  async function ends(status = 0): Promise<string> {
    const text = await editor.workbench.terminalShows('Exit status', 120_000);
    assert.match(text, new RegExp(`Exit status ${String(status)}\\b`));
    return text;
  }

  /** A row of the view Runs that is spoken like this. */
  const inRuns = (workbench: Workbench, spoken: RegExp): Promise<boolean> =>
    until(
      `${String(spoken)} in Runs`,
      async () => (await workbench.tree('Runs').rows()).some((row) => spoken.test(row.spoken)),
      60_000,
    );
  const points = async (): Promise<string[]> =>
    (await editor.workbench.tree('Restore Points').rows()).filter(({ level }) => level === 2).map(({ label }) => label);
  const tabs = (): Promise<string[]> =>
    editor.workbench.page.locator('.tabs-container .tab').evaluateAll((all) => all.map((tab) => tab.textContent));
  const versions = (): Promise<(string | undefined)[]> => Promise.all(lab.nodes.map((node) => acmeVersion(node)));

  function works(ids: readonly Id[], title: string, test: () => Promise<void>): void {
    shown.push(...ids);
    it(`${ids.map((id) => TITLES[id]).join(', ')}: ${title}`, test);
  }

  works(['addCluster'], 'a host of ~/.ssh/config becomes a cluster, in the file that is shown then', async () => {
    const pick = await command('addCluster');
    await choose(pick, 'Where should the cluster be saved?', /^workspace/);
    await answer(pick, 'Cluster name', 'fresh');
    await until('the hosts', async () => (await pick.placeholder()).includes('Select hosts from ~/.ssh/config'));
    await editor.workbench.screenshots('add-cluster-hosts');
    await pick.choose('spare');
    await pick.ok();
    await until('the file', async () => (await tabs()).some((each) => each.includes('clusters.json')));
    assert.deepEqual((await configured()).clusters, { fresh: { nodes: [{ name: 'spare', host: 'spare' }] } });
    await editor.workbench.command('View: Close All Editors');
    await writeFile(file(), JSON.stringify({ clusters }, null, 2));
    const tree = editor.workbench.tree('Clusters');
    await until('only the lab', async () => (await tree.rows()).map(({ label }) => label).join() === 'lab');
  });

  works(['refresh'], 'asks all nodes', async () => {
    const tree = editor.workbench.tree('Clusters');
    await tree.open('lab');
    await tree.action(TITLES['refresh'] ?? '');
    await until(
      'what the nodes say',
      async () =>
        (await tree.rows()).filter(({ spoken }) => /^Node .*not managed by Clusterlift/.test(spoken)).length === 2,
      60_000,
    );
  });

  works(['check'], 'tells what would stand in the way, and changes nothing', async () => {
    await choose(await command('check'), 'Which package?', /Newest/);
    assert.match(await ends(), /> clusterlift check --cluster lab\n/);
    assert.deepEqual(await versions(), ['1.0', '1.0']);
  });

  works(['previewUpgrade'], 'shows the plan, and changes nothing', async () => {
    await wizard(await command('previewUpgrade'));
    assert.match(await ends(), /--dry-run[^]*n1[^]*1\.0[^]*2\.0[^]*n2/);
    assert.deepEqual(await versions(), ['1.0', '1.0']);
    assert.deepEqual(await executions(lab.nodes, 'upgrade'), []);
  });

  works(['saveAsTask'], 'writes mode and backup in full, shows it, and starts nothing', async () => {
    await wizard(await command('saveAsTask'));
    await until('the file', async () => (await tabs()).some((each) => each.includes('tasks.json')));
    const { tasks } = parse(await readFile(join(editor.folder, '.vscode/tasks.json'), 'utf8')) as { tasks: unknown[] };
    const task = { label: 'upgrade lab', type: 'clusterlift', cluster: 'lab', command: 'upgrade' };
    assert.deepEqual(tasks, [{ ...task, mode: 'serial', backup: 'none', problemMatcher: [] }]);
    await editor.workbench.command('View: Close All Editors');
    assert.deepEqual(await readdir(join(editor.server.home, '.local/state/clusterlift/runs')).catch(() => []), []);
  });

  works(['backupAdd'], 'a location stands in clusters.json', async () => {
    const pick = await command('backupAdd');
    await answer(pick, 'Location name', 'vault');
    await answer(pick, 'Address', 'file:///srv/vault');
    assert.match(await ends(), /Added vault: file:\/\/\/srv\/vault, .* free/);
    assert.deepEqual((await configured()).backupLocations, { vault: 'file:///srv/vault' });
  });

  works(['backupCreate'], 'makes a verified restore point', async () => {
    await choose(await command('backupCreate'), 'Which backup location?', 'vault');
    await press(/Back up lab to vault/, 'Back Up');
    assert.match(await ends(), /verified/);
    const tree = editor.workbench.tree('Restore Points');
    await tree.open('lab: vault');
    await until('the restore point', async () => (await points()).length === 1, 60_000);
  });

  works(['refreshPoints'], 'sees what came from elsewhere', async () => {
    await writeFile(join(lab.home, '.config/clusterlift/clusters.json'), await readFile(file(), 'utf8'));
    await run(lab, ['backup', 'create', 'vault'], 0);
    assert.equal((await points()).length, 1);
    await editor.workbench.tree('Restore Points').action(TITLES['refreshPoints'] ?? '');
    await until('both restore points', async () => (await points()).length === 2, 60_000);
  });

  works(['backupVerify'], 'reads a point again', async () => {
    const pick = await command('backupVerify');
    await choose(pick, 'Which backup location?', 'vault');
    await choose(pick, 'Which restore point?', /./);
    assert.match(await ends(), /> clusterlift backup verify \S+ [^]*verified/);
  });

  works(['backupClean'], 'keeps as many as were asked for', async () => {
    const pick = await command('backupClean');
    await choose(pick, 'Which backup location?', 'vault');
    await answer(pick, 'How many', '1');
    await press(/all but the last 1/, 'Clean Up');
    assert.match(await ends(), /1 restore point removed from vault, 1 kept/);
    await until('the last one', async () => (await points()).length === 1, 60_000);
  });

  works(['backupRemove'], 'the location is gone from clusters.json, its restore points are not', async () => {
    await choose(await command('backupRemove'), 'Which backup location?', 'vault');
    await press(/Remove the backup location vault/, 'Remove');
    assert.match(await ends(), /Its restore points are kept/);
    assert.deepEqual((await configured()).backupLocations ?? {}, {});
    assert.notEqual((await lab.node('n1').must('find /srv/vault -type f')).trim(), '');
  });

  works(['stop', 'abandon'], 'no further node begins, and it cannot be resumed afterwards', async () => {
    await setKnob(lab.node('n1'), 'upgrade', 'wait');
    await editor.workbench.pickFrom('Tasks: Run Task', 'upgrade lab');
    await underWay(lab, 'upgrade', 1);
    await choose(await command('stop'), 'Which run?', 'upgrade lab');
    await press(/Stop upgrade of lab/, 'Stop Run');
    await inRuns(editor.workbench, /upgrade of lab, stopping/);
    await clearKnob(lab.node('n1'), 'upgrade', 'wait');
    await inRuns(editor.workbench, /upgrade of lab, stopped/);
    assert.deepEqual(await versions(), ['2.0', '1.0']);
    await choose(await command('abandon'), 'Which run?', 'upgrade lab');
    await press(/Abandon upgrade of lab/, 'Abandon');
    await ends();
    await inRuns(editor.workbench, /upgrade of lab, abandoned/);
  });

  works(['resume'], 'goes on with a run that was stopped', async () => {
    await offer('3.0');
    await setKnob(lab.node('n1'), 'upgrade', 'wait');
    await editor.workbench.pickFrom('Tasks: Run Task', 'upgrade lab');
    await until('the upgrade', async () => (await executions(lab.nodes, 'upgrade')).length === 2, 60_000);
    await choose(await command('stop'), 'Which run?', 'upgrade lab');
    await press(/Stop upgrade of lab/, 'Stop Run');
    await inRuns(editor.workbench, /upgrade of lab, stopping/);
    await clearKnob(lab.node('n1'), 'upgrade', 'wait');
    await inRuns(editor.workbench, /upgrade of lab, stopped/);
    assert.deepEqual(await versions(), ['3.0', '1.0']);
    await choose(await command('resume'), 'Which run?', 'upgrade lab');
    await ends();
    assert.deepEqual(await versions(), ['3.0', '3.0']);
  });

  works(['retryFailed'], 'upgrades the node that failed, and no other', async () => {
    await offer('4.0');
    await setKnob(lab.node('n2'), 'upgrade', 'fail');
    await editor.workbench.command('Terminal: Kill All Terminals');
    await editor.workbench.pickFrom('Tasks: Run Task', 'upgrade lab');
    await ends(1);
    await clearKnob(lab.node('n2'), 'upgrade', 'fail');
    await choose(await command('retryFailed'), 'Which run?', 'upgrade lab');
    await press(/Retry the upgrade on n2\?[^]*n2: 3\.0 → 4\.0/, 'Retry');
    assert.match(await ends(), /--nodes n2/);
    assert.deepEqual(await versions(), ['4.0', '4.0']);
  });

  works(['openNodeLog', 'openRunFolder'], 'open the whole text of the last run', async () => {
    await choose(await command('openNodeLog'), 'Which node?', 'n2');
    await until('the log', async () => (await tabs()).some((each) => each.includes('n2.log')));
    await choose(await command('openRunFolder'), 'Which run?', 'upgrade lab');
    await until('the journal', async () => (await tabs()).some((each) => each.includes('journal.jsonl')));
    await editor.workbench.command('View: Close All Editors');
  });

  works(['provision'], 'runs the script of the installed package once', async () => {
    const before = (await executions(lab.nodes, 'provision')).length;
    await command('provision');
    await press(/Provision lab/, 'Provision');
    await ends();
    assert.equal((await executions(lab.nodes, 'provision')).length, before + 1);
  });

  works(['unlock'], 'frees the lock of a run whose process is gone, with the reason', async () => {
    const { path } = await acmePackage('5.0');
    const killed = await start(lab, ['upgrade', path], { killAt: begun('n2', 'unpack') }).done;
    assert.equal(killed.signal, 'SIGKILL');
    await run(lab, ['upgrade', path], 5);
    const pick = await command('unlock');
    await answer(pick, 'Reason (recorded)', 'the laptop was stolen');
    await press(/Release the lock on lab/, 'Unlock');
    assert.match(await ends(), /--reason 'the laptop was stolen'[^]*Released: n1, n2\./);
    await run(lab, ['upgrade', path], 0);
    assert.deepEqual(await versions(), ['5.0', '5.0']);
  });

  works(['showLog', 'forgetSecrets'], 'the output of the extension, and how much was forgotten', async () => {
    await editor.workbench.command(`Clusterlift: ${TITLES['showLog'] ?? ''}`);
    await until('the log', async () => (await editor.workbench.outputText()).includes('run succeeded, status 0'));
    // That a secret which is kept goes: host/prompts.ts.
    await editor.workbench.command(`Clusterlift: ${TITLES['forgetSecrets'] ?? ''}`);
    await until('the count', async () =>
      (await editor.workbench.notifications()).some(({ message }) => message === '0 saved secrets were removed.'),
    );
  });

  it('of package.json has a test', async () => {
    assert.deepEqual([...shown, ...Object.keys(ELSEWHERE)].sort(), Object.keys(TITLES).sort());
    for (const [id, where] of Object.entries(ELSEWHERE))
      assert.ok((await readFile(join(__dirname, where), 'utf8')).includes(TITLES[id] ?? '?'), `${id} in ${where}`);
  });
});
