import { ClusterliftError, ExitStatus } from '../../base/errors';
import { lastLines } from '../../base/text';
import { sameVersion } from '../../package/version';
import type { RunContext } from '../control/context';
import type { Lane } from '../journal/events';
import type { RunPackage } from '../control/runpackage';
import { runQuickScript, type QuickResult } from './quick-script';
import { runStep } from './steps';

/** Longest version text that is taken for one. */
const MAX_VERSION = 128;

/**
 * Asks the package's version script on a node.
 * @param maxAway milliseconds that the node may be away
 * @returns undefined: nothing is installed
 * @throws ClusterliftError `version-script` when the script fails, hangs or prints something else than a version
 */
export async function readVersion(
  ctx: RunContext,
  pkg: RunPackage,
  node: string,
  maxAway?: number,
): Promise<string | undefined> {
  const result = await runQuickScript(ctx, pkg, node, 'version', 'status', pkg.manifest.timeouts.version, maxAway);
  if (result.rc !== 0) throw versionScriptFailed(result, node);
  return parseVersionOutput(result.stdout, node);
}

/** The one line that a version script prints; nothing = not installed. */
export function parseVersionOutput(stdout: string, node: string): string | undefined {
  const text = stdout.trim();
  if (text === '') return undefined;
  if (text.length > MAX_VERSION || !/^[\w.+:~-]+$/.test(text)) {
    throw new ClusterliftError({
      code: 'version-output',
      message: `The version script on ${node} printed something that is not a version`,
      hint: 'It must print one word, such as 24.2.0, and nothing else.',
      exit: ExitStatus.failed,
      node,
      log: lastLines(stdout, 3),
    });
  }
  return text;
}

export function versionScriptFailed(result: QuickResult, node: string): ClusterliftError {
  return new ClusterliftError({
    code: 'version-script',
    message: `The version script ${result.rc === 'timeout' ? 'hung' : `ended with status ${String(result.rc)}`} on ${node}`,
    hint: "Mend the package's version script: it must print the installed version and end with 0, also before the package is unpacked: then it finds only its own folder, with files of up to 256 KiB.",
    exit: ExitStatus.failed,
    node,
    log: lastLines(`${result.stdout}\n${result.stderr}`),
  });
}

/** A version that is wanted of a node, and what it means when it has another. */
export interface WantedVersion {
  readonly node: string;
  readonly lane: Lane;
  /** Undefined: nothing is to be installed. */
  readonly target: string | undefined;
  readonly otherwise: (node: string, found: string | undefined, target: string | undefined) => ClusterliftError;
}

/** The step `version`: the node itself says what it has. */
export async function proveVersion(ctx: RunContext, pkg: RunPackage, wanted: WantedVersion): Promise<void> {
  const { node, lane, target, otherwise } = wanted;
  await runStep(ctx, {
    node,
    step: 'version',
    lane,
    repeatable: true,
    run: async () => {
      const version = await readVersion(ctx, pkg, node);
      if (!sameVersion(version ?? '', target ?? '')) throw otherwise(node, version, target);
      return { version: version ?? '' };
    },
  });
}
