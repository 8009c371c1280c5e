// Import directions (docs/architecture.md): base ← ssh, package, cluster ← backup ← engine ← command ← service ← cli.ts.
// `vscode/` sees only types of the engine and the command language, and the client of the service.

const rooms = {
  base: [],
  cluster: ['base'],
  ssh: ['base', 'cluster'],
  package: ['base'],
  backup: ['base', 'cluster', 'ssh', 'package'],
  engine: ['base', 'cluster', 'ssh', 'package', 'backup'],
  command: ['base', 'cluster', 'ssh', 'package', 'backup', 'engine'],
  service: ['base', 'cluster', 'ssh', 'package', 'backup', 'engine', 'command'],
};

const below = Object.entries(rooms).map(([room, allowed]) => ({
  name: `${room}-sees-only-what-is-below-it`,
  comment: 'Imports go one way. Move the thing down, or pass it in through a constructor.',
  severity: 'error',
  from: { path: `^src/${room}/` },
  to: { path: '^src/', pathNot: [...allowed, room].map((each) => `^src/${each}/`) },
}));

module.exports = {
  forbidden: [
    ...below,
    {
      name: 'no-circle',
      comment: 'Two files that need each other are one file, or need a third.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'editor-only-in-its-room',
      comment: 'Nothing outside src/vscode and src/extension.ts knows the editor: the rest runs in a terminal, too.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(vscode/|extension\\.ts$)' },
      // Seen as src/vscode/…, as `vscode`, or as node_modules/@types/vscode.
      to: { path: '(^|/)vscode(/|$)' },
    },
    {
      name: 'editor-takes-only-types-from-below',
      comment: 'Moving gigabytes does not belong in the process that all extensions share: ask the service.',
      severity: 'error',
      from: { path: '^src/(vscode/|extension\\.ts$)' },
      // The reducer and the reader of run folders look at local files only: a reloaded window starts no process for it.
      to: {
        path: '^src/(ssh|package|backup|engine)/',
        pathNot: '^src/engine/(view|events|plan|order|runs|journal|schema)\\.ts$',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'pages-stand-alone',
      comment: 'The code of a page runs in a browser: it shares only base, the reducer and types.',
      severity: 'error',
      from: { path: '^src/webview/' },
      to: {
        path: '^src/',
        pathNot: '^src/(webview/|base/|engine/(view|events|plan)\\.ts$)',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'nobody-imports-a-root',
      comment: 'extension.ts and cli.ts wire the rooms; no room imports them.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^src/(extension|cli)\\.ts$' },
    },
    {
      name: 'source-needs-no-tests',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|scripts)/' },
    },
    {
      name: 'source-needs-no-dev-dependency',
      severity: 'error',
      from: { path: '^src/' },
      to: {
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'],
        dependencyTypesNot: ['type-only'],
        pathNot: '@types/',
      },
    },
    {
      name: 'everything-resolves',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true, pathNot: '^vscode$' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^test/vscode/editor/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.cjs', '.mjs', '.json', '.sh', '.d.ts'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
