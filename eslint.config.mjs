import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

/** `vscode` belongs to the shell: everything else runs in a terminal, too. */
const noEditor = {
  paths: [{ name: 'vscode', message: 'Only src/vscode and src/extension.ts know the editor (docs/architecture.md).' }],
};

const noDefaultExport = {
  selector: 'ExportDefaultDeclaration, ExportSpecifier[exported.name="default"]',
  message: 'A name given once, where the thing is made, can be searched for.',
};

const recursiveMkdir = {
  selector: 'CallExpression[callee.name=/^mkdir(Sync)?$/] Property[key.name="recursive"]',
  message: "makeDirectory() of base/directories: Node's own never ends on some file systems.",
};

/** `src/base/clock.ts` alone reads clocks and sets timers: a duration never depends on the time of day, and each wait has one place. */
export const ownClock = [
  [
    'MemberExpression[object.name="Date"][property.name="now"]',
    'Durations: stopwatch() or monotonic(). Times to show or store: wallClock().',
  ],
  [
    'NewExpression[callee.name="Date"][arguments.length=0]',
    'The time of day is new Date(wallClock()); a duration uses stopwatch().',
  ],
  ['CallExpression[callee.name="Date"]', 'The time of day is new Date(wallClock()); a duration uses stopwatch().'],
  [
    'BinaryExpression[operator=/^[-+<>]=?$/] > CallExpression[callee.name="wallClock"]',
    'A duration uses stopwatch() or deadlineIn(); the age of something stored is ageOf().',
  ],
  [
    'MemberExpression[object.name="performance"][property.name="now"]',
    'Durations: stopwatch() or monotonic() of base/clock.',
  ],
  ['MemberExpression[property.name="hrtime"]', 'Durations: stopwatch() or monotonic() of base/clock.'],
  [
    'CallExpression[callee.name=/^set(Timeout|Interval)$/]',
    'after() or every() of base/clock, or sleep() of base/async: they bear any length, and docs/guarantees.md lists them.',
  ],
  [
    'CallExpression[callee.property.name=/^set(Timeout|Interval)$/][callee.object.name=/^(globalThis|window|timers)$/]',
    'after() or every() of base/clock, or sleep() of base/async.',
  ],
  ['MemberExpression[object.name="AbortSignal"][property.name="timeout"]', 'abortAfter() of base/clock.'],
  [
    'ImportDeclaration[source.value=/^(node:)?timers(\\u002fpromises)?$/]',
    'after() or every() of base/clock, or sleep() of base/async.',
  ],
].map(([selector, message]) => ({ selector, message }));

export default defineConfig(
  globalIgnores([
    'dist/',
    'out/',
    '.cache/',
    'coverage/',
    '.vscode-test/',
    'test/vscode/editor/',
    'test/vscode/screenshots/',
  ]),
  { linterOptions: { reportUnusedDisableDirectives: 'error', reportUnusedInlineConfigs: 'error' } },

  {
    files: ['**/*.ts'],
    extends: [js.configs.recommended, tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      eqeqeq: 'error',
      'no-restricted-imports': ['error', noEditor],
      'no-restricted-syntax': ['error', noDefaultExport],
      // `async` for a function that must return a promise even when it throws is fine without an `await` inside.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
    },
  },

  {
    files: ['src/**/*.ts'],
    rules: {
      'max-lines': ['error', 400],
      'max-lines-per-function': ['error', { max: 60, skipBlankLines: true, skipComments: true, IIFEs: true }],
      'no-console': 'error',
    },
  },
  { files: ['src/cli.ts'], rules: { 'no-console': 'off' } },
  {
    files: ['src/**/*.ts'],
    // What a node of the tests or a page does is its own matter.
    ignores: ['src/base/clock.ts', 'src/shell.d.ts'],
    rules: { 'no-restricted-syntax': ['error', noDefaultExport, ...ownClock, recursiveMkdir] },
  },
  {
    files: ['src/vscode/**/*.ts', 'src/extension.ts', 'test/vscode/**/*.ts'],
    rules: { 'no-restricted-imports': 'off' },
  },
  { files: ['src/shell.d.ts'], rules: { 'no-restricted-syntax': 'off' } },

  {
    // Plain JavaScript: what runs before anything is installed, and the configuration of tools.
    files: ['**/*.{js,cjs,mjs}'],
    extends: [js.configs.recommended],
    languageOptions: {
      globals: Object.fromEntries(
        [
          'process',
          'console',
          'URL',
          'Buffer',
          'setTimeout',
          'clearTimeout',
          'fetch',
          'AbortSignal',
          'AbortController',
        ].map((name) => [name, 'readonly']),
      ),
    },
    rules: { eqeqeq: 'error' },
  },
  {
    files: ['**/*.cjs', 'webpack.config.js'],
    languageOptions: {
      sourceType: 'commonjs',
      globals: { require: 'readonly', module: 'writable', __dirname: 'readonly' },
    },
  },
);
