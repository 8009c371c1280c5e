import { advice } from '../base/shell';
import { didYouMean } from '../base/suggest';
import type { ConfigDocument, Path, Problem } from './document';
import { jumpProblems } from './jumps';
import { hasPassword, isLocationUri } from './names';
import { rawNodes, unknownNode, type RawNode } from './raw';
import { bad, noNodes } from './rules';
import { secretProblems } from './secrets';

/** More than anyone has; they bound the work on a hostile file. */
const MAX_NODES = 1000;
const MAX_NAMES = 500;

/** Roles of the documented product: a roleOrder may name them although a small cluster has no such node. */
const COMMON_ROLES = ['database', 'application', 'webproxy'];

/**
 * What no schema can say: names that must exist, circles, secrets in values.
 * Works on the tree, whatever shape it has, so that these problems come in the same go as those of the schema.
 */
export function semanticProblems(document: ConfigDocument): Problem[] {
  const clusters = document.keysAt(['clusters']);
  const locations = document.keysAt(['backupLocations']);
  if (clusters.length > MAX_NAMES) return [tooMany('clusters', MAX_NAMES, document.offsetOf(['clusters']))];
  if (locations.length > MAX_NAMES) return [tooMany('locations', MAX_NAMES, document.offsetOf(['backupLocations']))];
  const nodes = new Map(clusters.map((cluster) => [cluster, rawNodes(document, cluster)]));
  const roles = rolesOf(document, [...nodes.values()].flat());
  return [
    ...secretProblems(document),
    ...clusters.flatMap((cluster) => clusterProblems(document, ['clusters', cluster], nodes.get(cluster) ?? [], roles)),
    ...locations.flatMap((location) => uriProblems(document, location)),
  ];
}

function tooMany(what: string, most: number, offset: number): Problem {
  return bad(`more than ${String(most)} ${what}`, offset, 'Split them over several files (--config FILE).');
}

/** The roles of all nodes of the file: one roleOrder may serve a large cluster and a small one. */
function rolesOf(document: ConfigDocument, nodes: readonly RawNode[]): Set<string> {
  const named = nodes.flatMap((node) => document.textsAt([...node.path, 'roles']).map((role) => role.value));
  return new Set([...COMMON_ROLES, ...named]);
}

function clusterProblems(
  document: ConfigDocument,
  path: Path,
  nodes: readonly RawNode[],
  roles: ReadonlySet<string>,
): Problem[] {
  const list = document.node([...path, 'nodes']);
  if (list?.type !== 'array') return [];
  const count = list.children?.length ?? 0;
  if (count === 0) return [noNodes(document, [...path, 'nodes'])];
  if (count > MAX_NODES) return [tooMany('nodes', MAX_NODES, list.offset)];
  return [
    ...sameName(document, nodes),
    ...sameMachine(document, path, nodes),
    ...localNodes(document, nodes),
    ...unknownRoles(document, path, roles),
    ...unknownPrimary(document, path, nodes),
    ...jumpProblems(document, path, nodes),
    ...upgradeProblems(document, [...path, 'upgrade']),
  ];
}

function sameName(document: ConfigDocument, nodes: readonly RawNode[]): Problem[] {
  const seen = new Set<string>();
  return nodes.flatMap((node) => {
    const name = node.name.toLowerCase();
    const known = seen.has(name);
    seen.add(name);
    if (!known) return [];
    const hint = 'Give each node its own name; case alone does not tell them apart.';
    return [duplicate(`there are two nodes named "${node.name}"`, hint, document.offsetOf([...node.path, 'name']))];
  });
}

/** Two names for one machine would take its lock twice and upgrade it twice. */
function sameMachine(document: ConfigDocument, cluster: Path, nodes: readonly RawNode[]): Problem[] {
  const seen = new Map<string, RawNode>();
  return nodes.flatMap((node) => {
    const at = (key: string): unknown =>
      (document.node([...node.path, key]) ?? document.node([...cluster, key]))?.value;
    const host = (document.textAt([...node.path, 'host']) ?? node.name).toLowerCase();
    const machine = node.local ? ['local'] : [host, at('port'), at('user'), at('jump')];
    const place = JSON.stringify([...machine, at('stateDir')]);
    const other = seen.get(place);
    if (!other) seen.set(place, node);
    if (!other || other.name.toLowerCase() === node.name.toLowerCase()) return [];
    const message = `"${node.name}" and "${other.name}" are the same machine with the same state directory`;
    return [duplicate(message, 'Remove one of them, or correct its host or stateDir.', document.offsetOf(node.path))];
  });
}

function duplicate(message: string, hint: string, offset: number): Problem {
  return { code: 'config-duplicate-node', message, hint, offset };
}

function localNodes(document: ConfigDocument, nodes: readonly RawNode[]): Problem[] {
  const mixed = nodes.some((node) => !node.local);
  return nodes
    .filter((node) => node.local)
    .flatMap((node) => {
      const problems = ['port', 'jump', 'identityFile']
        .map((key) => ({ key, path: [...node.path, key] }))
        .filter(({ path }) => document.node(path))
        .map(({ key, path }) => {
          const message = `"${key}" has no meaning for "${node.name}", which is this machine (connection: local)`;
          return bad(message, document.offsetOfKey(path), 'Remove it.');
        });
      const reachable = document.node([...node.path, 'address']) ?? document.node([...node.path, 'host']);
      if (mixed && !reachable) {
        const message = `"${node.name}" is this machine; it is not said how the other nodes reach it`;
        problems.push(bad(message, document.offsetOf(node.path), 'Add "address" with its host name or IP address.'));
      }
      return problems;
    });
}

function unknownRoles(document: ConfigDocument, cluster: Path, roles: ReadonlySet<string>): Problem[] {
  const order = document.textsAt([...cluster, 'roleOrder']).slice(0, MAX_NAMES);
  const seen = new Set<string>();
  return order.flatMap(({ value, offset }) => {
    const twice = seen.has(value);
    seen.add(value);
    if (twice) return [bad(`roleOrder names "${value}" twice`, offset, 'Remove one of them.')];
    if (roles.has(value)) return [];
    const hint = didYouMean(value, roles, `Roles here: ${[...roles].slice(0, 20).join(', ')}.`);
    const message = `roleOrder names the role "${value}", which no node has`;
    return [{ code: 'config-unknown-role', message, hint, offset }];
  });
}

function unknownPrimary(document: ConfigDocument, cluster: Path, nodes: readonly RawNode[]): Problem[] {
  const place = [...cluster, 'primary'];
  const primary = document.textAt(place);
  if (primary === undefined || nodes.some((node) => node.name === primary)) return [];
  const message = `primary names "${primary}", which is no node of this cluster`;
  return [unknownNode(message, primary, nodes, document.offsetOf(place))];
}

function upgradeProblems(document: ConfigDocument, upgrade: Path): Problem[] {
  const location = document.textAt([...upgrade, 'backup']) ?? 'none';
  if (location.toLowerCase() === 'none') {
    if (document.textAt([...upgrade, 'onFailure']) !== 'rollback') return [];
    const hint = 'Name a backup location in "backup", or use "stop" or "continue".';
    return [bad('onFailure "rollback" needs a backup', document.offsetOf([...upgrade, 'onFailure']), hint)];
  }
  const known = ['localbackup', ...document.keysAt(['backupLocations'])];
  if (known.includes(location)) return [];
  const add = advice`Locations: ${known.slice(0, 20).join(', ')}. Add one with: \`clusterlift backup add ${location} <uri>\``;
  return [
    {
      code: 'config-unknown-location',
      message: `there is no backup location "${location}" in this file`,
      hint: didYouMean(location, known, add),
      offset: document.offsetOf([...upgrade, 'backup']),
    },
  ];
}

/** The schema has looked at the scheme; here is the rest. The address itself is not shown: it may hold a secret. */
function uriProblems(document: ConfigDocument, location: string): Problem[] {
  const place: Path = ['backupLocations', location];
  const uri = document.textAt(place);
  if (uri === undefined || hasPassword(uri) || isLocationUri(uri)) return [];
  return [
    {
      code: 'config-bad-location',
      message: `the address of the backup location "${location}" is not understood`,
      hint: 'Write file:///path without "..", sftp://user@host[:port]/path or restic:repository.',
      offset: document.offsetOf(place),
    },
  ];
}
