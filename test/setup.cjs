// Lets tests import the node scripts as text, as webpack does for the bundles.
const fs = require('node:fs');
require.extensions['.sh'] = (module, file) => {
  module.exports = { __esModule: true, default: fs.readFileSync(file, 'utf8') };
};
