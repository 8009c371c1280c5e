/** Writes docs/errors.md from the catalogue in src/base. Run after each change there: a test compares the two. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorsPage } from './errors-page';

writeFileSync(join(__dirname, '../docs/errors.md'), errorsPage());
