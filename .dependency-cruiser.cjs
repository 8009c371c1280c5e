// Import directions, as docs/architecture.md draws them. Each room lists what it may import; a room may import itself.

const rooms = {
  base: [],
  cluster: ['base'],
  package: ['base'],
  ssh: ['base', 'cluster'],
  backup: ['base', 'cluster', 'ssh'],
  engine: ['base', 'cluster', 'ssh', 'package', 'backup'],
  terminal: ['base', 'ssh', 'package', 'backup', 'engine'],
  command: ['base', 'cluster', 'ssh', 'package', 'backup', 'engine', 'terminal'],
  service: ['base', 'cluster', 'ssh', 'package', 'backup', 'engine', 'terminal', 'command'],
};

/** Wings of a room. `.` stands for the files of the room itself. */
const wings = {
  engine: {
    journal: [],
    node: [],
    control: ['journal', 'node'],
    steps: ['control', 'journal', 'node'],
    points: ['steps', 'control', 'journal', 'node'],
    actions: ['points', 'steps', 'control', 'journal', 'node'],
    prepare: ['points', 'steps', 'control', 'journal', 'node'],
  },
  ssh: {
    '.': [],
    exec: ['.'],
    reach: ['exec', '.'],
  },
  backup: {
    archive: [],
    points: ['archive'],
    stores: ['points', 'archive'],
  },
  vscode: {
    shared: [],
    clusters: ['shared'],
    runs: ['clusters', 'shared'],
    points: ['runs', 'clusters', 'shared'],
    tasks: ['runs', 'clusters', 'shared'],
    output: ['runs', 'clusters', 'shared'],
    views: ['points', 'runs', 'clusters', 'shared'],
    wizard: ['views', 'clusters', 'shared'],
    rollback: ['views', 'points', 'runs', 'clusters', 'shared'],
    commands: ['rollback', 'wizard', 'views', 'output', 'tasks', 'points', 'runs', 'clusters', 'shared'],
  },
};

const below = Object.entries(rooms).map(([room, allowed]) => ({
  name: `${room}-imports-only-rooms-below-it`,
  comment: 'Imports go one way. Move the code down, or pass it in through a constructor.',
  severity: 'error',
  from: { path: `^src/${room}/` },
  to: { path: '^src/', pathNot: [...allowed, room].map((each) => `^src/${each}/`) },
}));

const pathOf = (room, wing) => (wing === '.' ? `^src/${room}/[^/]+$` : `^src/${room}/${wing}/`);
const within = Object.entries(wings).flatMap(([room, parts]) =>
  Object.entries(parts).map(([wing, allowed]) => ({
    name: `${room}-${wing === '.' ? 'itself' : wing}-imports-only-wings-below-it`,
    comment: 'Imports between the folders of a room go one way, too.',
    severity: 'error',
    from: { path: pathOf(room, wing) },
    to: { path: `^src/${room}/`, pathNot: [...allowed, wing].map((each) => pathOf(room, each)) },
  })),
);

/** What the extension may import by value from other rooms: nothing that connects, downloads or changes a node. */
const forTheEditor = [
  'base/.*',
  'terminal/.*',
  'cluster/(edit|find|load|names)',
  'command/(command|format|grammar|options|parse|values)',
  'engine/journal/.*',
  'service/(client|query-client|spawn)',
];

module.exports = {
  forbidden: [
    ...below,
    ...within,
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
        path: '^src/',
        pathNot: ['^src/vscode/', ...forTheEditor.map((each) => `^src/${each}\\.ts$`)],
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
        pathNot: '^src/(webview/|base/|engine/journal/(view|events|plan)\\.ts$)',
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
