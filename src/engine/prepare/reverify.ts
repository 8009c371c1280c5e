import { isDeepStrictEqual } from 'node:util';
import { isOverridden } from '../../base/overrides';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import type { Cluster } from '../../cluster/model';
import { openPackage } from '../../package/inspect';
import { verifyContent } from '../../package/verify';
import { contentOf } from './content';
import { demandPinned, nameOfPackage, openPinned, type ReopenRequest } from './reopen';
import type { Plan } from '../journal/plan';

/**
 * Verifies the package of a plan that comes from nodes as `upgrade` does, before any byte of it runs: size, digest,
 * manifest (a recipe only from clusters.json), signature by the signers that the cluster trusts today.
 * @param overrides given with this command; those of the plan count for nothing here
 * @throws ClusterliftError `package-missing`, `package-changed`, `plain-http`, and those of `verifyContent`
 */
export async function reverifyPackage(
  plan: Plan,
  cluster: Cluster,
  overrides: readonly string[],
  request: ReopenRequest,
): Promise<void> {
  const { package: pinned } = plan;
  if (!pinned || plan.action !== 'upgrade') return;
  const reader = await openPinned(plan, pinned, request);
  try {
    const { trustedSigners, revokedSigners, requireSignature } = cluster.upgrade;
    const { signal } = request;
    const signedBy = await demandPinned(plan.run, pinned, reader, signal, async () => {
      const opened = await openPackage(reader, { name: nameOfPackage(pinned), recipe: cluster.recipe });
      const { product, version, manifestValue } = opened.info;
      const same = product === pinned.product && version === pinned.version;
      if (!same || !isDeepStrictEqual(json(manifestValue), json(pinned.manifest))) throw manifestDiffers(plan.run);
      const options = { trustedSigners, revokedSigners, requireSignature, signal };
      const known = await verifyContent(opened.image, options);
      await contentOf(opened.image, opened.info, known, known.signedBy !== undefined);
      return known.signedBy;
    });
    const plainHttp = pinned.source.kind === 'url' && /^http:/i.test(pinned.source.url);
    const unvouched = plainHttp && signedBy === undefined && cluster.production;
    if (unvouched && !isOverridden(overrides, 'plain-http', undefined)) throw unvouchedFor();
  } finally {
    await reader.close();
  }
}

/** A plan went through JSON: there a missing key and an undefined one are the same. */
function json(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

function manifestDiffers(run: string): ClusterliftError {
  return new ClusterliftError({
    code: 'plan-foreign',
    message: `The plan of run ${run} that the nodes keep has another manifest than its package`,
    hint: 'Compare the recipe in clusters.json with that of the machine that started the run, and go on from there.',
    exit: ExitStatus.refused,
  });
}

function unvouchedFor(): ClusterliftError {
  return new ClusterliftError({
    code: 'plain-http',
    message: 'The package came over plain http, and nothing vouches for it here',
    hint: 'Start a new upgrade with --sha256, or go on with --override plain-http.',
    exit: ExitStatus.refused,
  });
}
