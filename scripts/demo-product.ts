import { makePackage, type MadePackage } from '../test/lab/images';

/** @returns a package that works, and a newer one that does not like the second node */
export async function demoPackages(root: string): Promise<{ good: MadePackage; bad: MadePackage }> {
  const manifest = { health: { interval: '200ms', stable: '0s' } };
  const product = 'hello';
  const scripts = scriptsIn(root);
  return {
    good: await makePackage({ product, version: '2.0', scripts, manifest, padBytes: 8_000_000 }),
    bad: await makePackage({ product, version: '3.0', scripts: failingIn(root), manifest }),
  };
}

/**
 * The product of the demo: a text in the directory of each node, and a service that is a file.
 * @param root holds a directory for each node: the nodes share everything else with this machine
 */
function scriptsIn(root: string): Record<string, string> {
  const home = `#!/bin/sh\nset -e\nhello=${root}/$CLUSTERLIFT_NODE/hello\n`;
  return {
    version: `${home}cat "$hello/version" 2>/dev/null || :\n`,
    stop: `${home}echo "stopping hello"\nrm -f "$hello/running"\n`,
    upgrade: `${home}echo "upgrading hello \${CLUSTERLIFT_FROM:-(new)} to $CLUSTERLIFT_TO"\nmkdir -p "$hello"\nfor part in 1 2 3; do echo "part $part of 3"; sleep 0.7; done\necho "$CLUSTERLIFT_TO" > "$hello/version"\n`,
    start: `${home}echo "starting hello"\n: > "$hello/running"\n`,
    health: `${home}test -e "$hello/running"\n`,
  };
}

/** The same, but the upgrade does not like the second node. */
function failingIn(root: string): Record<string, string> {
  const refuse =
    'if [ "$CLUSTERLIFT_NODE" = node2 ]; then\n  echo "the database schema 7 is not one of 8, 9" >&2\n  exit 3\nfi\n';
  const { upgrade = '', ...others } = scriptsIn(root);
  return { ...others, upgrade: upgrade.replace('mkdir', `${refuse}mkdir`) };
}
