import * as vscode from 'vscode';
import { LOCATION_NAME, hasPassword, isLocationUri } from '../../cluster/names';
import type { LocationRef } from '../points/model';
import { alone, askText, valueOf, type Place } from '../wizard/steps';
import { forCluster } from '../clusters/argv';
import type { Args } from './targets';
import type { CommandDeps, Handlers } from './deps';
import { confirmed, start, sure } from './start';

const { l10n } = vscode;

/** Commands on backup locations and restore points. */
export const backupCommands: Handlers = {
  backupAdd,
  backupRemove,
  backupCreate,
  backupVerify,
  backupClean,
  rollBack,
  refreshPoints,
};

async function backupAdd(deps: CommandDeps, args: Args): Promise<void> {
  const ref = await deps.targets.cluster(args, l10n.t('Add Backup Location'));
  if (!ref) return;
  const place: Place = { title: l10n.t('Add Backup Location'), step: 1, total: 2 };
  const known = ref.file.locations.map(({ name }) => name);
  for (;;) {
    const name = valueOf(
      await askText(place, {
        prompt: l10n.t('Location name'),
        placeholder: 'nightly',
        check: (value) => nameProblem(value, known),
      }),
    );
    if (name === undefined) return;
    const uri = await askText(
      { ...place, step: 2 },
      {
        prompt: l10n.t('Address of the location. Do not include a password. You will be asked for it.'),
        placeholder: 'sftp://backup@10.0.0.5/srv/backups',
        check: uriProblem,
      },
    );
    if (uri.kind === 'back') continue;
    if (uri.kind === 'next')
      await start(deps, forCluster({ kind: 'backup-add', name, uri: uri.value, options: { yes: true } }, ref), ref);
    return;
  }
}

async function backupRemove(deps: CommandDeps, args: Args): Promise<void> {
  const location = await deps.targets.location(args, l10n.t('Remove Backup Location'), false);
  if (!location) return;
  const { name, ref } = location;
  const yes = await sure(
    l10n.t('Remove the backup location {0}?', name),
    l10n.t('Only clusters.json changes. The restore points are kept.'),
    l10n.t('Remove'),
  );
  if (yes) await start(deps, forCluster({ kind: 'backup-remove', name, options: { yes: true } }, ref), ref);
}

async function backupCreate(deps: CommandDeps, args: Args): Promise<void> {
  const location = await deps.targets.location(args, l10n.t('Create Restore Point'));
  if (!location) return;
  const { name, ref } = location;
  const yes = await confirmed(ref, {
    message: l10n.t('Back up {0} to {1}?', ref.label, name),
    detail: l10n.t(
      'Creates and verifies a restore point of all {0} nodes. The application may be stopped meanwhile.',
      ref.cluster.nodes.length,
    ),
    button: l10n.t('Back Up'),
  });
  if (yes) await start(deps, forCluster({ kind: 'backup-create', location: name, options: yes }, ref), ref);
}

async function backupVerify(deps: CommandDeps, args: Args): Promise<void> {
  const { points, targets } = deps;
  for (const { location, point } of await targets.restorePoints(args, l10n.t('Verify Restore Point'))) {
    const { name, ref } = location;
    const command = { kind: 'backup-verify', point: point.id, options: { location: name } } as const;
    await start(deps, forCluster(command, ref), ref, () => void points.reread(location));
  }
}

async function backupClean(deps: CommandDeps, args: Args): Promise<void> {
  const location = await deps.targets.location(args, l10n.t('Clean Up Restore Points'));
  if (location) await clean(deps, location);
}

async function rollBack(deps: CommandDeps, args: Args): Promise<void> {
  const [item] = args;
  if (item?.kind === 'point')
    return deps.rollBack.open(item.location.ref, { location: item.location.name, id: item.point.id });
  const ref = await deps.targets.cluster(args, l10n.t('Roll Back'));
  if (ref) await deps.rollBack.open(ref);
}

async function refreshPoints({ points }: CommandDeps): Promise<void> {
  const seen = points.locations().filter(({ id }) => points.state(id) !== undefined);
  await Promise.all(seen.map((location) => points.refresh(location)));
}

async function clean(deps: CommandDeps, location: LocationRef): Promise<void> {
  const { name, ref } = location;
  const keep = valueOf(
    await askText(alone(l10n.t('Clean up {0}', name)), {
      prompt: l10n.t('How many restore points do you want to keep?'),
      value: '5',
      check: (value) => (/^[1-9]\d{0,5}$/.test(value) ? undefined : l10n.t('Enter a whole number, 1 or greater.')),
    }),
  );
  if (keep === undefined) return;
  const yes = await confirmed(ref, {
    message: l10n.t('Remove all but the last {0} restore points of {1} in {2}?', keep, ref.label, name),
    detail: l10n.t('Removed restore points cannot be recovered. The last verified one is always kept.'),
    button: l10n.t('Clean Up'),
  });
  if (yes)
    await start(
      deps,
      forCluster({ kind: 'backup-clean', location: name, keep: Number(keep), options: yes }, ref),
      ref,
      () => void deps.points.reread(location),
    );
}

function nameProblem(name: string, known: readonly string[]): string | undefined {
  if (!LOCATION_NAME.test(name))
    return l10n.t('Use only letters, digits, ".", "_" and "-". The name "none" is reserved.');
  return known.includes(name) ? l10n.t('A location with this name already exists.') : undefined;
}

function uriProblem(uri: string): string | undefined {
  if (hasPassword(uri)) return l10n.t('Do not enter a password here. You will be asked for it.');
  return isLocationUri(uri) ? undefined : l10n.t('file:///path, sftp://user@host[:port]/path or restic:<repository>');
}
