// `npm run test:electron [-- minimum|stable]`: the tests of test/vscode/host in the desktop editor, for machines that
// can download it. VSCODE_EXECUTABLE names an editor that is there already. Without either, it says so and skips;
// with CI set, that is a failure.
import { runTests, type TestOptions } from '@vscode/test-electron';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './harness/server';
import manifest from '../../package.json';

const HOST = join(__dirname, 'host');

/** The oldest editor that the package says it runs in. */
const MINIMUM = `${manifest.engines.vscode.replace(/^\D+/, '').split('.').slice(0, 2).join('.')}.0`;

async function main(which: string): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'clusterlift-electron-'));
  try {
    const files = (await readdir(HOST)).filter((file) => file.endsWith('.ts')).map((file) => join(HOST, file));
    const result = join(folder, 'result.json');
    const entry = join(folder, 'tests.cjs');
    const inHost = JSON.stringify(join(__dirname, 'harness/in-host.cjs'));
    const job = JSON.stringify({ files, result });
    await writeFile(entry, `exports.run = () => require(${inHost}).run(${job});\n`);

    const executable = process.env['VSCODE_EXECUTABLE'];
    const options: TestOptions = {
      extensionDevelopmentPath: ROOT,
      extensionTestsPath: entry,
      launchArgs: ['--disable-extensions', '--user-data-dir', join(folder, 'data'), folder],
      ...(executable === undefined
        ? { version: which === 'minimum' ? MINIMUM : which }
        : { vscodeExecutablePath: executable }),
    };
    try {
      await runTests(options);
    } catch (error) {
      process.stderr.write(`SKIPPED the desktop editor (${which}): ${String(error)}\n`);
      process.stderr.write('Set VSCODE_EXECUTABLE to the path of an installed editor.\n');
      return process.env['CI'] ? 1 : 0;
    }
    return report(await readFile(result, 'utf8'));
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  }
}

function report(text: string): number {
  const { tests, trouble } = JSON.parse(text) as {
    tests: { title: string; state: string; error?: string }[];
    trouble?: string;
  };
  for (const { title, state, error } of tests) {
    process.stdout.write(
      `${state === 'passed' ? 'ok    ' : state} ${title}\n${error === undefined ? '' : `${error}\n`}`,
    );
  }
  if (trouble !== undefined) process.stderr.write(`${trouble}\n`);
  const count = (state: string): number => tests.filter((test) => test.state === state).length;
  process.stdout.write(`${count('passed')} passed, ${count('failed')} failed, ${count('pending')} skipped\n`);
  return trouble === undefined && count('failed') === 0 && count('passed') > 0 ? 0 : 1;
}

main(process.argv[2] ?? 'stable').then(
  (status) => (process.exitCode = status),
  (error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exitCode = 1;
  },
);
