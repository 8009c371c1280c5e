import { strict as assert } from 'node:assert';
import { Readable } from 'node:stream';
import { Body } from '../../../src/package/sources/body';

async function take(body: Body): Promise<{ text: string; error: string | undefined }> {
  let text = '';
  try {
    for await (const chunk of body) text += chunk.toString();
    return { text, error: undefined };
  } catch (error) {
    return { text, error: String(error) };
  }
}

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const stream = (): Readable => new Readable({ read: () => undefined });

describe('the body of an answer', () => {
  it('is what was sent', async () => {
    assert.deepEqual(await take(new Body(Readable.from([Buffer.from('a'), Buffer.from('b')]))), {
      text: 'ab',
      error: undefined,
    });
  });

  it('delivers all that arrived before the connection broke, and then the error', async () => {
    const source = stream();
    const body = new Body(source);
    source.push(Buffer.from('arrived'));
    await tick();
    source.destroy(new Error('reset'));
    await tick();
    assert.deepEqual(await take(body), { text: 'arrived', error: 'Error: reset' });
  });

  it('ends with an error when it was only closed', async () => {
    const source = stream();
    const body = new Body(source);
    source.destroy();
    assert.match((await take(body)).error ?? '', /closed/);
  });

  it('slows the sender down when nobody reads', async () => {
    const source = stream();
    const body = new Body(source);
    for (let i = 0; i < 5; i++) source.push(Buffer.alloc(500_000, 'x'));
    await tick();
    assert.ok(source.isPaused());
    source.push(null);
    assert.equal((await take(body)).text.length, 2_500_000);
  });
});
