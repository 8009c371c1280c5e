import { strict as assert } from 'node:assert';
import { execFile, execFileSync } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mapLimit } from '../../../src/base/async';
import { HostKeys } from '../../../src/ssh/reach/host-keys';
import { resolveTarget } from '../../../src/ssh/reach/target';
import { nobody } from '../../unit/ssh/helpers';
import { whyNoSshd } from './sshd';

/** One known_hosts file and one way to name the server; `ssh` itself says what the answer is. */
interface Form {
  readonly title: string;
  /** Lines of known_hosts; `KEY` is the key that the server shows, `OTHER` and `RSA` are not. */
  readonly records: readonly string[];
  readonly port: number;
  readonly alias?: string;
}

type Answer = 'known' | 'unknown' | 'changed' | 'revoked';

const HOST = 'node1.example.org';

/** The field of the hosts as `ssh-keygen -H` writes it. */
function hashed(name: string): string {
  const salt = randomBytes(20);
  return `|1|${salt.toString('base64')}|${createHmac('sha1', salt).update(name).digest('base64')}`;
}

/** Every name that a record may go by, with every alias and port, as a plain and as a hashed field. */
function names(): Form[] {
  const fields = [HOST, `[${HOST}]:22`, `[${HOST}]:2222`, 'al', '[al]:22', '[al]:2222', 'AL', HOST.toUpperCase()];
  const ways = [
    { port: 22 },
    { port: 2222 },
    { port: 22, alias: 'al' },
    { port: 2222, alias: 'al' },
    { port: 2222, alias: 'AL' },
    { port: 2222, alias: HOST },
  ];
  return fields.flatMap((field) =>
    ways.flatMap((way) =>
      [field, hashed(field)].flatMap((hosts) =>
        ['KEY', 'OTHER'].map((key) => ({
          ...way,
          title: `${field}${hosts === field ? '' : ' (hashed)'} has ${key}, port ${String(way.port)}, alias ${way.alias ?? 'none'}`,
          records: [`${hosts} ${key}`],
        })),
      ),
    ),
  );
}

/** Markers, wildcards, negation, several lines, and their order. */
function combinations(): Form[] {
  const files = [
    [],
    ['* KEY'],
    ['* OTHER'],
    ['*.example.org KEY'],
    ['*.example.org,!node1.* KEY'],
    ['!node1.*,*.example.org OTHER'],
    ['!node1.* KEY'],
    ['node?.example.org KEY'],
    ['[*]:2222 KEY'],
    ['[*]:* OTHER'],
    ['a?,al* KEY'],
    [`${HOST},10.0.0.7 KEY`],
    [`10.0.0.7,${HOST} OTHER`],
    [`@revoked ${HOST} KEY`],
    ['@revoked * KEY'],
    ['@revoked * OTHER'],
    [`@revoked [${HOST}]:2222 KEY`],
    [`@revoked al KEY`],
    [`@revoked ${hashed(HOST)} KEY`],
    [`${HOST} KEY`, '@revoked * KEY'],
    ['@revoked * KEY', `${HOST} KEY`],
    [`[${HOST}]:2222 KEY`, `@revoked ${HOST} KEY`],
    [`@revoked [${HOST}]:2222 KEY`, `${HOST} KEY`],
    [`al KEY`, `@revoked ${HOST} KEY`],
    [`@cert-authority * KEY`],
    [`@cert-authority * KEY`, `${HOST} OTHER`],
    [`@cert-authority * OTHER`, `${HOST} KEY`],
    [`@other ${HOST} KEY`],
    [`${HOST} KEY`, `${HOST} OTHER`],
    [`${HOST} OTHER`, `${HOST} KEY`],
    [`${HOST} RSA`],
    [`${HOST} RSA`, `${HOST} KEY`],
    [`[${HOST}]:2222 OTHER`, `${HOST} KEY`],
    [`[${HOST}]:2222 KEY`, `${HOST} OTHER`],
    [`${hashed(`[${HOST}]:2222`)} OTHER`, `${hashed(HOST)} KEY`],
    [`al OTHER`, `${HOST} KEY`],
    [`al KEY`, `${HOST} OTHER`],
    [`[al]:2222 KEY`, `al OTHER`],
    [`[al]:2222 OTHER`, `al KEY`],
    [`# ${HOST} OTHER`, ``, `  ${HOST} KEY comment`],
    [`${HOST} ssh-rsa WRONG-TYPE`],
    [`${HOST} ssh-ed25519 not*base64`, `${HOST} KEY`],
  ];
  const ways = [{ port: 22 }, { port: 2222 }, { port: 22, alias: 'al' }, { port: 2222, alias: 'al' }];
  return files.flatMap((records) =>
    ways.map((way) => ({
      ...way,
      title: `${JSON.stringify(records)}, port ${String(way.port)}, alias ${way.alias ?? 'none'}`,
      records,
    })),
  );
}

describe('host keys beside OpenSSH', function () {
  this.timeout(15 * 60_000);
  let dir = '';
  before(function () {
    if (whyNoSshd() !== undefined) this.skip();
    mkdirSync('/run/sshd', { recursive: true });
    dir = mkdtempSync(join(tmpdir(), 'clusterlift-forms-'));
    for (const [name, type] of [
      ['KEY', 'ed25519'],
      ['OTHER', 'ed25519'],
      ['RSA', 'rsa'],
    ] as const)
      execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', '', '-f', join(dir, name)]);
    // One server for each connection, on its standard input: any host name and port will do, and no packet is sent.
    writeFileSync(join(dir, 'sshd_config'), `HostKey ${join(dir, 'KEY')}\nUsePAM no\nPidFile none\n`);
  });
  after(() => {
    if (dir !== '') rmSync(dir, { recursive: true });
  });

  const keyLine = (name: string): string => readFileSync(join(dir, `${name}.pub`), 'utf8').trim();
  const blobOf = (name: string): string => keyLine(name).split(' ')[1] ?? '';

  /** @returns the configuration of one connection */
  function write(form: Form, number: number): string {
    const known = join(dir, `known_hosts.${String(number)}`);
    const text = form.records.map((record) =>
      record
        .replace(/ (KEY|OTHER|RSA)\b/, (_, name: string) => ` ${keyLine(name)}`)
        .replace('WRONG-TYPE', blobOf('KEY')),
    );
    writeFileSync(known, `${text.join('\n')}\n`);
    const config = join(dir, `config.${String(number)}`);
    const alias = form.alias === undefined ? '' : `HostKeyAlias ${form.alias}\n`;
    writeFileSync(
      config,
      `Host n1\nHostName ${HOST}\nPort ${String(form.port)}\n${alias}UserKnownHostsFile ${known}\nGlobalKnownHostsFile none\n`,
    );
    chmodSync(config, 0o600);
    return config;
  }

  function ssh(config: string): Promise<Answer> {
    const options = ['BatchMode=yes', 'StrictHostKeyChecking=yes', 'PreferredAuthentications=none', 'User=nobody'];
    const proxy = `ProxyCommand=/usr/sbin/sshd -i -f ${join(dir, 'sshd_config')}`;
    const args = ['-F', config, ...[...options, proxy].flatMap((each) => ['-o', each]), 'n1', 'true'];
    return new Promise((resolve, reject) => {
      execFile('ssh', args, { timeout: 120_000 }, (_error, _stdout, stderr) => {
        if (stderr.includes('REVOKED HOST KEY')) resolve('revoked');
        else if (stderr.includes('IDENTIFICATION HAS CHANGED')) resolve('changed');
        else if (/No \S+ host key is known for/.test(stderr)) resolve('unknown');
        else if (stderr.includes('Permission denied')) resolve('known');
        else reject(new Error(`ssh said something else: ${stderr}`));
      });
    });
  }

  async function ours(config: string): Promise<Answer> {
    const request = { node: 'n1', host: 'n1', port: undefined, user: undefined, identityFile: undefined };
    const target = resolveTarget(request, { env: { HOME: dir }, configs: [config] });
    const keys = new HostKeys({ store: join(dir, 'store'), acceptNew: false });
    const host = { node: 'n1', names: target.recordNames, files: target.knownHosts, strict: true, rsaBits: 2048 };
    return keys.verify(host, Buffer.from(blobOf('KEY'), 'base64'), nobody).then(
      () => 'known',
      (error: unknown) => (error as { code: string }).code.replace('host-key-', '') as Answer,
    );
  }

  /** Where we are stricter than `ssh` on purpose: a revoked key stays revoked on every port. */
  const stricter = (theirs: Answer, mine: Answer): boolean => theirs === 'unknown' && mine === 'revoked';

  async function differences(forms: readonly Form[]): Promise<string[]> {
    const answers = await mapLimit([...forms.entries()], 4, async ([number, form]) => {
      const config = write(form, number);
      const [theirs, mine] = await Promise.all([ssh(config), ours(config)]);
      const same = theirs === mine || stricter(theirs, mine);
      return same ? [] : [`${form.title}: ssh says ${theirs}, we say ${mine}`];
    });
    return answers.flatMap((each) => (each.status === 'fulfilled' ? each.value : [String(each.reason)]));
  }

  it('gives the same answer for every name, alias and port, plain and hashed', async () => {
    // The long form asks about all of them.
    const forms = names().filter((_, index) => process.env['LONG'] !== undefined || index % 3 === 0);
    assert.ok(forms.length >= 60);
    assert.deepEqual(await differences(forms), []);
  });

  it('gives the same answer for markers, wildcards, negation, several lines and any order of them', async () => {
    const forms = combinations().filter(({ records }) => process.env['LONG'] !== undefined || records.length !== 1);
    assert.deepEqual(await differences([...forms, ...combinations().filter((_, index) => index % 5 === 0)]), []);
  });
});
