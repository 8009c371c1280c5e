import { strict as assert } from 'node:assert';
import { membersOf, scriptEnvironment } from '../../../../src/engine/steps/environment';
import { installedVersion, parseRecord, recordText, type InstallRecord } from '../../../../src/engine/node/record';
import { nodeModel } from '../plans';

describe('what a script is told', () => {
  it('has all nodes of the cluster, whichever of them the run is about', () => {
    const nodes = [nodeModel('n1', { address: '10.0.0.1', roles: ['database', 'web'] }), nodeModel('n2')];
    const env = scriptEnvironment({
      action: 'status',
      cluster: 'test',
      run: '',
      primary: 'n2',
      node: nodeModel('n1', { roles: ['database', 'web'] }),
      members: membersOf({ nodes }),
      directory: '/d',
      from: undefined,
      to: '2.0',
    });
    assert.deepEqual(env, {
      CLUSTERLIFT_ACTION: 'status',
      CLUSTERLIFT_PACKAGE: '/d',
      CLUSTERLIFT_CLUSTER: 'test',
      CLUSTERLIFT_NODE: 'n1',
      CLUSTERLIFT_ROLES: 'database web',
      CLUSTERLIFT_NODES: 'n1=10.0.0.1 n2=127.0.0.1',
      CLUSTERLIFT_PRIMARY: 'n2',
      CLUSTERLIFT_FROM: '',
      CLUSTERLIFT_TO: '2.0',
      CLUSTERLIFT_RUN: '',
    });
  });

  it('names the version from before, while an upgrade has not got through', () => {
    const text = recordText({ run: 'r', product: 'acme', from: '1.0', to: '2.0', sha256: '0'.repeat(64) });
    const versionIn = (state: InstallRecord['state']): string | undefined => {
      const record = parseRecord(text.replace('"begun"', `"${state}"`));
      return record && installedVersion(record);
    };
    assert.deepEqual((['begun', 'failed', 'script-ok', 'done'] as const).map(versionIn), ['1.0', '1.0', '2.0', '2.0']);
  });
});
