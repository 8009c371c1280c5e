// What webpack.config.js asks of its bundles besides being bundled.
const fs = require('node:fs');
const path = require('node:path');
const webpack = require('webpack');

/** Maps the packages of node_modules in a compilation to one of their modules. */
function packagesOf(compilation) {
  const packages = new Map();
  for (const module of [...compilation.modules].flatMap((each) => [each, ...(each.modules ?? [])])) {
    const file = module.nameForCondition?.()?.replaceAll('\\', '/');
    const found = file && /^(.*\/node_modules\/((?:@[^/]+\/)?[^/]+))\//.exec(file);
    if (found) packages.set(found[2], { folder: found[1], file });
  }
  return packages;
}

/** Fails the build when a bundle holds a package that it must not, or is too large: both are promises. */
class BundleGuard {
  /** @param {{ without?: string[], maxBytes: number }} options */
  constructor({ without = [], maxBytes }) {
    this.without = without;
    this.maxBytes = maxBytes;
  }

  apply(compiler) {
    compiler.hooks.afterEmit.tap('BundleGuard', (compilation) => {
      const fail = (text) => compilation.errors.push(new webpack.WebpackError(text));
      const packages = packagesOf(compilation);
      for (const name of this.without.filter((each) => packages.has(each))) {
        fail(`${packages.get(name).file} must not be in this bundle: see "Processes" in docs/architecture.md`);
      }
      if (compilation.options.mode !== 'production') return;
      for (const { name, source } of compilation.getAssets()) {
        if (name.endsWith('.js') && source.size() > this.maxBytes) {
          fail(`${name} has ${source.size()} bytes, more than ${this.maxBytes}`);
        }
      }
    });
  }
}

/** Writes the licences of everything that was bundled next to the bundle, as those licences ask. */
class Licenses {
  constructor(filename) {
    this.filename = filename;
  }

  apply(compiler) {
    compiler.hooks.thisCompilation.tap('Licenses', (compilation) => {
      const stage = webpack.Compilation.PROCESS_ASSETS_STAGE_ADDITIONAL;
      compilation.hooks.processAssets.tap({ name: 'Licenses', stage }, () => {
        const texts = [...packagesOf(compilation)]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, { folder }]) => {
            const { version, license, licenses } = JSON.parse(
              fs.readFileSync(path.join(folder, 'package.json'), 'utf8'),
            );
            const file = fs.readdirSync(folder).find((each) => /^(licen[cs]e|copying)/i.test(each));
            const text = file ? fs.readFileSync(path.join(folder, file), 'utf8').trim() : '(the package holds no text)';
            return `${name} ${version} – ${license ?? licenses.map(({ type }) => type).join(', ')}\n\n${text}\n`;
          });
        if (texts.length > 0) {
          compilation.emitAsset(this.filename, new webpack.sources.RawSource(texts.join(`\n${'-'.repeat(80)}\n\n`)));
        }
      });
    });
  }
}

module.exports = { BundleGuard, Licenses };
