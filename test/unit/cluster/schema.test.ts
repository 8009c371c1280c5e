import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { clustersJsonSchema, knownKeys } from '../../../src/cluster/schema';

interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly pattern?: string;
  readonly properties?: Record<string, JsonSchema>;
  readonly propertyNames?: JsonSchema;
  readonly additionalProperties?: JsonSchema | false;
  readonly items?: JsonSchema;
  readonly anyOf?: JsonSchema[];
}

/** Every schema in a schema, with its path. */
function all(schema: JsonSchema, path = ''): [string, JsonSchema][] {
  const inner: [string, JsonSchema | undefined][] = [
    ...Object.entries(schema.properties ?? {}).map(([key, value]): [string, JsonSchema] => [`${path}/${key}`, value]),
    [`${path}/*`, schema.additionalProperties === false ? undefined : schema.additionalProperties],
    [`${path}/names`, schema.propertyNames],
    [`${path}/[]`, schema.items],
    ...(schema.anyOf ?? []).map((value): [string, JsonSchema] => [`${path}/any`, value]),
  ];
  return [[path, schema], ...inner.flatMap(([at, value]) => (value ? all(value, at) : []))];
}

describe('the JSON Schema of clusters.json', () => {
  const schema = clustersJsonSchema();
  const parts = all(schema);

  it('is the one in media (if not: npx tsx scripts/generate-schema.ts)', () => {
    const stored = readFileSync(join(__dirname, '../../../media/clusters.schema.json'), 'utf8');
    assert.deepEqual(JSON.parse(stored), JSON.parse(JSON.stringify(schema)));
  });

  it('is draft 7 and lets the editor accept comments and trailing commas', () => {
    assert.equal(schema['$schema'], 'http://json-schema.org/draft-07/schema#');
    assert.equal(schema['allowComments'], true);
    assert.equal(schema['allowTrailingCommas'], true);
  });

  it('describes every key', () => {
    const keys = parts.flatMap(([path, part]) =>
      Object.entries(part.properties ?? {}).map(([key, value]) => ({ key: `${path}/${key}`, text: value.description })),
    );
    assert.ok(keys.length > 35);
    assert.deepEqual(
      keys.filter(({ text }) => (text ?? '') === '').map(({ key }) => key),
      [],
    );
  });

  it('lets no object have unknown keys', () => {
    const open = parts.filter(([, part]) => part.type === 'object' && part.additionalProperties === undefined);
    assert.deepEqual(open, []);
  });

  it('has only patterns that the editor understands (it reads them with the u flag)', () => {
    for (const [, part] of parts)
      if (part.pattern !== undefined) assert.doesNotThrow(() => new RegExp(part.pattern ?? '', 'u'));
  });

  it('knows the keys of each place', () => {
    assert.deepEqual(knownKeys([]), ['$schema', 'clusters', 'backupLocations']);
    assert.ok(knownKeys(['clusters', 'any', 'nodes', 7])?.includes('identityFile'));
    assert.deepEqual(knownKeys(['clusters', 'any', 'upgrade', 'health']), ['stable']);
    assert.equal(knownKeys(['clusters']), undefined);
    assert.equal(knownKeys(['clusters', 'any', 'primary', 'deeper']), undefined);
  });
});
