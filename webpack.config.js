// Three bundles (docs/architecture.md): the extension, the command line, the pages of the webviews.
const fs = require('node:fs');
const path = require('node:path');
const Minimizer = require('minimizer-webpack-plugin');
const webpack = require('webpack');
const { BundleGuard, Licenses } = require('./scripts/bundle-plugins.cjs');

const dist = path.join(__dirname, 'dist');
const source = (...parts) => path.join(__dirname, 'src', ...parts);

const shared = (mode, name) => ({
  mode,
  name,
  context: __dirname,
  // Not in the package (.vscodeignore); kept with a release, to read stack traces with.
  devtool: 'source-map',
  performance: false,
  stats: { preset: 'errors-warnings', assets: true, relatedAssets: false },
  resolve: { extensions: ['.ts', '.js', '.json'] },
  module: {
    rules: [
      { test: /\.sh$/, type: 'asset/source' },
      {
        test: /\.ts$/,
        exclude: /node_modules/,
        loader: 'ts-loader',
        // Types are checked by `npm run typecheck`, once for all.
        options: {
          transpileOnly: true,
          configFile: source('..', 'tsconfig.json'),
          compilerOptions: { noEmit: false, module: 'esnext' },
        },
      },
    ],
  },
  optimization: {
    minimizer: [
      new Minimizer({
        extractComments: false, // Licences has them all.
        // Names stay, so that a stack trace in a bug report can be read.
        minimizerOptions: { keep_classnames: true, keep_fnames: true, format: { comments: false } },
      }),
    ],
  },
});

const forNode = (mode, name, guard) => ({
  ...shared(mode, name),
  target: 'node20',
  entry: { [name]: source(`${name}.ts`) },
  output: { path: dist, filename: '[name].js', library: { type: 'commonjs2' } },
  externals: { vscode: 'commonjs vscode' },
  plugins: [
    new BundleGuard(guard),
    new Licenses(`${name}.licenses.txt`),
    new webpack.DefinePlugin({ CLUSTERLIFT_VERSION: JSON.stringify(require('./package.json').version) }),
  ],
});

/** Each folder of src/webview with an index.ts is a page of its own. */
function pages() {
  const withIndex = fs
    .readdirSync(source('webview'))
    .filter((page) => fs.existsSync(source('webview', page, 'index.ts')));
  return Object.fromEntries(withIndex.map((page) => [page, source('webview', page, 'index.ts')]));
}

module.exports = (_env, { mode = 'production' }) => {
  const extension = forNode(mode, 'extension', { without: ['ssh2', 'undici'], maxBytes: 300_000 });
  // Files more, loaded when they are needed: what reads files (src/vscode/shared/readers.ts), and what needs a person's
  // act (src/vscode/on-demand.ts). What both of them hold is a third.
  extension.output.chunkFilename = '[name].js';
  extension.optimization = {
    ...extension.optimization,
    splitChunks: {
      cacheGroups: {
        default: false,
        defaultVendors: false,
        shared: { name: 'shared', chunks: 'async', minChunks: 2, enforce: true },
      },
    },
  };

  const cli = forNode(mode, 'cli', { maxBytes: 4_000_000 });
  // One file: a run goes on although an update of the extension deletes the folder it came from. `import()` only puts
  // off evaluation, so that `clusterlift --help` does not pay for SSH and HTTP.
  cli.module.parser = { javascript: { dynamicImportMode: 'eager' } };
  cli.plugins.push(
    new webpack.optimize.LimitChunkCountPlugin({ maxChunks: 1 }),
    // Native addons of ssh2: no speed is lost without them.
    new webpack.IgnorePlugin({ resourceRegExp: /^cpu-features$|sshcrypto\.node$/ }),
    new webpack.BannerPlugin({ banner: '#!/usr/bin/env node', raw: true }),
    {
      apply: (compiler) =>
        compiler.hooks.afterEmit.tap('Executable', () => fs.chmodSync(path.join(dist, 'cli.js'), 0o755)),
    },
  );

  const entry = pages();
  const webview = {
    ...shared(mode, 'webview'),
    target: ['web', 'es2022'],
    entry,
    output: { path: path.join(dist, 'webview'), filename: '[name].js', clean: true },
    plugins: [new BundleGuard({ without: ['ssh2', 'undici', 'zod'], maxBytes: 200_000 })],
  };
  return Object.keys(entry).length === 0 ? [extension, cli] : [extension, cli, webview];
};
