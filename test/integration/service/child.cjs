// Stands in for dist/cli.js: the same hidden words, over the sources.
require('tsx/cjs');
require('./child-main.ts');
