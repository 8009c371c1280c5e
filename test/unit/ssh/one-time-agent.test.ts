import { strict as assert } from 'node:assert';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { type ParsedKey, utils } from 'ssh2';
import { signatureFits, Fields, sshString } from '../../../src/base/ssh-signature';
import { OneTimeAgent } from '../../../src/ssh/one-time-agent';

const FAILURE = Buffer.of(5);
const SUCCESS = Buffer.of(6);

function makeKey(): ParsedKey {
  const key = utils.parseKey(utils.generateKeyPairSync('ecdsa', { bits: 256 }).private);
  if (key instanceof Error) throw key;
  return key;
}

/** DER to the wire, as sshd does it. */
function signed(key: ParsedKey, data: Buffer): Buffer {
  const der = key.sign(data);
  assert.ok(Buffer.isBuffer(der));
  const rLength = der[3] ?? 0;
  const pair = Buffer.concat([sshString(der.subarray(4, 4 + rLength)), sshString(der.subarray(6 + rLength))]);
  return Buffer.concat([sshString(key.type), sshString(pair)]);
}

describe('the agent of one login', () => {
  const host = makeKey();
  const elsewhere = makeKey();
  const mine = makeKey();
  const session = Buffer.from('the session with the right server');
  let agent: OneTimeAgent;
  let stream: Duplex;
  beforeEach(() => {
    agent = new OneTimeAgent({
      user: 'platform',
      hostKey: host.getPublicSSH(),
      publicKey: mine.getPublicSSH(),
      sign: async (data) => mine.sign(data),
    });
    stream = open();
  });

  function open(): Duplex {
    let opened: Duplex | undefined;
    agent.getStream((_error, made) => (opened = made));
    assert.ok(opened);
    return opened;
  }

  async function ask(message: Buffer, to = stream): Promise<Buffer> {
    to.write(sshString(message));
    const [answer] = (await once(to, 'data')) as [Buffer];
    return answer.subarray(4);
  }

  function bind(key = host, by = host, forwarded = 0, id = session): Promise<Buffer> {
    const parts = [sshString('session-bind@openssh.com'), sshString(key.getPublicSSH()), sshString(id)];
    return ask(Buffer.concat([Buffer.of(27), ...parts, sshString(signed(by, id)), Buffer.of(forwarded)]));
  }

  interface Login {
    readonly id?: Buffer;
    readonly user?: string;
    readonly service?: string;
    readonly method?: string;
    readonly key?: ParsedKey;
    readonly tail?: Buffer;
  }

  function login({ id = session, user = 'platform', service = 'ssh-connection', ...rest }: Login = {}): Buffer {
    const { method = 'publickey', key = mine, tail = Buffer.alloc(0) } = rest;
    return Buffer.concat([
      sshString(id),
      Buffer.of(50),
      ...[user, service, method].map(sshString),
      Buffer.of(1),
      sshString(key.type),
      sshString(key.getPublicSSH()),
      tail,
    ]);
  }

  function sign(data: Buffer, key = mine, to = stream): Promise<Buffer> {
    const flags = Buffer.alloc(4);
    return ask(Buffer.concat([Buffer.of(13), sshString(key.getPublicSSH()), sshString(data), flags]), to);
  }

  function fits(answer: Buffer, data: Buffer): boolean {
    const fields = new Fields(answer);
    assert.equal(fields.byte(), 14);
    const signature = new Fields(fields.string());
    const [algorithm, bytes] = [signature.string().toString(), signature.string()];
    return signatureFits({ publicKey: mine.getPublicSSH(), algorithm, bytes }, data);
  }

  it('shows one key, and signs the login that was meant, once', async () => {
    const list = new Fields(await ask(Buffer.of(11)));
    assert.deepEqual([list.byte(), list.uint32()], [12, 1]);
    assert.ok(list.string().equals(mine.getPublicSSH()));
    assert.deepEqual(await bind(), SUCCESS);
    assert.ok(fits(await sign(login()), login()));
    assert.deepEqual(await sign(login()), FAILURE);
    stream = open();
    assert.deepEqual(await bind(), SUCCESS);
    assert.deepEqual(await sign(login()), FAILURE);
  });

  it('signs a login that names the host key, if it is the right one', async () => {
    const method = 'publickey-hostbound-v00@openssh.com';
    await bind();
    const wrong = login({ method, tail: sshString(elsewhere.getPublicSSH()) });
    assert.deepEqual(await sign(wrong), FAILURE);
    const right = login({ method, tail: sshString(host.getPublicSSH()) });
    assert.ok(fits(await sign(right), right));
  });

  it('signs nothing for a server that has not proven to be the right one', async () => {
    assert.deepEqual(await sign(login()), FAILURE);
    assert.match(agent.problem ?? '', /8\.9/);
    assert.deepEqual(await bind(elsewhere, elsewhere), FAILURE);
    assert.deepEqual(await bind(host, elsewhere), FAILURE);
    assert.deepEqual(await bind(host, host, 1), FAILURE);
    assert.deepEqual(await sign(login()), FAILURE);
    await bind();
    assert.deepEqual(await sign(login(), mine, open()), FAILURE, 'another connection is not bound');
  });

  it('signs nothing but that login', async () => {
    await bind();
    const others: Record<string, Buffer> = {
      'another session': login({ id: Buffer.from('a session with somebody else') }),
      'another user': login({ user: 'root' }),
      'another service': login({ service: 'ssh-userauth' }),
      'another method': login({ method: 'hostbased' }),
      'more than a login': login({ tail: Buffer.from('x') }),
      'another key': login({ key: elsewhere }),
      'half of it': login().subarray(0, 40),
      'any text': Buffer.from('SSHSIG and so on'),
    };
    for (const [what, data] of Object.entries(others)) assert.deepEqual(await sign(data), FAILURE, what);
    assert.deepEqual(await sign(login(), elsewhere), FAILURE);
    for (const type of [1, 17, 19, 20, 22, 25]) assert.deepEqual(await ask(Buffer.of(type)), FAILURE);
    assert.ok(fits(await sign(login()), login()));
  });

  it('survives whatever comes', async () => {
    assert.deepEqual(await ask(Buffer.alloc(0)), FAILURE);
    assert.deepEqual(await ask(Buffer.of(13, 255, 255, 255, 255)), FAILURE);
    assert.deepEqual(await ask(Buffer.of(27)), FAILURE);
    stream.write(Buffer.of(255, 255, 255, 255));
    stream.resume();
    await once(stream, 'end');
  });

  it('ends after more messages than a login needs, also when nobody reads the answers', async () => {
    const list = sshString(Buffer.of(11));
    for (let n = 0; n < 20; n++) stream.write(Buffer.concat(Array.from({ length: 10 }, () => list)));
    let answered = 0;
    for await (const chunk of stream) answered += (chunk as Buffer).length;
    const one = 4 + 5 + 4 + mine.getPublicSSH().length + 4 + 'clusterlift'.length;
    assert.equal(answered, 100 * one);
  });
});
