import type { ClustersModel } from '../clusters/model';
import type { StatusCache } from '../clusters/status';
import type { Queries } from '../shared/queries';
import type { OutputChannels } from '../output/channels';
import type { PointsModel } from '../points/model';
import type { RunsModel } from '../runs/model';
import type { TerminalDeps } from '../runs/terminal';
import type { SecretStore } from '../shared/secrets';
import type { ClusterliftTasks } from '../tasks/provider';
import type { ClustersTree } from '../views/clusters';
import type { PackagePicker } from '../wizard/package';
import type { UpgradeWizard } from '../wizard/upgrade';
import type { RollBackPanels } from '../rollback/panel';
import type { Args, Targets } from './targets';

/** What the commands work with; wired in the composition root. */
export interface CommandDeps {
  readonly clusters: ClustersModel;
  readonly status: StatusCache;
  readonly runs: RunsModel;
  readonly points: PointsModel;
  readonly queries: Queries;
  readonly channels: OutputChannels;
  readonly secrets: SecretStore;
  readonly tasks: ClusterliftTasks;
  readonly tree: ClustersTree;
  readonly targets: Targets;
  readonly packages: PackagePicker;
  readonly wizard: UpgradeWizard;
  readonly rollBack: RollBackPanels;
  readonly terminal: TerminalDeps;
}

/** What a command does, for palette, right click and selection alike. */
type Handler = (deps: CommandDeps, args: Args) => Promise<void>;
/** By the name of the command, without prefix. */
export type Handlers = Readonly<Record<string, Handler>>;
