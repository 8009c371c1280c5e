/** Writes media/clusters.schema.json from the schema in code. Run after each change there: a test compares the two. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clustersJsonSchema } from '../src/cluster/schema';

writeFileSync(
  join(__dirname, '../media/clusters.schema.json'),
  `${JSON.stringify(clustersJsonSchema(), undefined, 2)}\n`,
);
