// Lets tests import the node scripts as text, as webpack does for the bundles.
const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');
require.extensions['.sh'] = (module, file) => {
  module.exports = { __esModule: true, default: fs.readFileSync(file, 'utf8') };
};

// Outside of the editor there is no `vscode`: parts that only speak its language get a stand-in. (Inside, the editor
// gives its own before anybody asks for a file.)
const resolve = Module._resolveFilename;
Module._resolveFilename = function (request, ...more) {
  return request === 'vscode' ? path.join(__dirname, 'unit/vscode/stub.cjs') : resolve.call(this, request, ...more);
};
