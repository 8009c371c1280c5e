import { advice } from '../../base/shell';
import type { NodeFacts } from '../../cluster/facts';
import type { Manifest } from '../../package/manifest';
import type { ScriptStart } from '../../package/script-start';
import { block, warn, type Finding } from './findings';

/** What a node is asked for, so that the checks know whether it can start the scripts. */
export function wantedBy(starts: readonly ScriptStart[]): string[] {
  const all = starts.flatMap(({ programs, command }) => [...programs, ...(command === undefined ? [] : [command])]);
  return [...new Set(all)];
}

/** Scripts that no node can start. */
export function brokenScripts(starts: readonly ScriptStart[]): Finding[] {
  return starts.flatMap(({ path, broken }) =>
    broken === undefined
      ? []
      : [
          {
            ...block(
              'script-interpreter',
              undefined,
              `The script ${path} of the package cannot be started: ${broken}`,
              advice`Write ${path} with LF at the ends of its lines (\`sed -i 's/\\r$//'\`) and an absolute interpreter, and make the package again.`,
            ),
            path,
          },
        ],
  );
}

/** Scripts that this node cannot start. */
export function interpreterFindings(
  starts: readonly ScriptStart[],
  manifest: Manifest,
  facts: NodeFacts,
  node: string,
): Finding[] {
  return starts.flatMap((start) => {
    if (start.broken !== undefined) return [];
    if (start.arch !== undefined && start.arch !== facts.arch) {
      const message = `${node} is ${facts.arch}, and ${start.path} is a program for ${start.arch}`;
      return [
        { ...block('script-interpreter', node, message, 'Get the package for this architecture.'), path: start.path },
      ];
    }
    const missing = wantedBy([start]).filter((each) => facts.commands[each] !== true);
    if (missing.length === 0) return [];
    const what = missing.join(' and ');
    const message = `${start.path} needs ${what} to start, and ${node} does not have it as a program`;
    const fix = `Install ${what} on ${node}, or change the first line of ${start.path} and make the package again.`;
    const level = comesWithUpgrade(start, manifest, missing) ? warn : block;
    return [{ ...level('script-interpreter', node, message, fix), path: start.path }];
  });
}

/** Where programs of the system lie. */
const SYSTEM = /^\/(?:usr\/(?:local\/)?)?s?bin\//;

/** A program of the application's own, for a script that runs after the upgrade, may not be there yet. */
function comesWithUpgrade({ path }: ScriptStart, { scripts }: Manifest, missing: readonly string[]): boolean {
  const before = [scripts.version, scripts.check, scripts.stop, scripts.upgrade];
  return !before.includes(path) && missing.every((each) => each.startsWith('/') && !SYSTEM.test(each));
}
