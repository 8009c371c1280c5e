import { basename, dirname, join } from 'node:path';
import * as vscode from 'vscode';
import { userClustersPath } from '../../cluster/find';
import type { Cluster, ClustersFile } from '../../cluster/model';
import { after, type Timer } from '../../base/clock';
import { ClusterliftError } from '../../base/errors';
import { Store } from '../shared/store';
import { setting } from '../shared/settings';
import { labelsOf } from './names';

/** A cluster with the file and the folder that it comes from. */
export interface ClusterRef {
  /** Stable over reloads: file and name. */
  readonly id: string;
  /** As shown; unique. */
  readonly label: string;
  readonly cluster: Cluster;
  readonly file: ClustersFile;
  readonly folder: vscode.WorkspaceFolder | undefined;
}

/** One clusters.json, whether it is there, right or wrong. */
export interface FileState {
  readonly path: string;
  readonly folder: vscode.WorkspaceFolder | undefined;
  /** Undefined: it is not there, or wrong. */
  readonly file: ClustersFile | undefined;
  readonly exists: boolean;
  readonly problems: readonly ClusterliftError[];
}

/** Milliseconds: editors write a file in several steps. */
const SETTLE_MS = 150;

/** All clusters: of every workspace folder, and the user's own. Follows the files; reads nothing in an untrusted workspace. */
export class ClustersModel extends Store {
  readonly #changed = this.add(new vscode.EventEmitter<void>());
  readonly onDidChange = this.#changed.event;
  #files: readonly FileState[] = [];
  #clusters: readonly ClusterRef[] = [];
  #watchers = this.add(new Store());
  #timer: Timer | undefined;
  #reading: Promise<void> = Promise.resolve();

  constructor() {
    super();
    const again = (): void => {
      this.#watch();
      this.#later();
    };
    this.add(vscode.workspace.onDidChangeWorkspaceFolders(again));
    this.add(vscode.workspace.onDidGrantWorkspaceTrust(again));
    this.add(
      vscode.workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration('clusterlift.configFile')) again();
      }),
    );
    // Files are not watched from the first moment on, nor on every file system: a window that comes back reads them again.
    this.add(vscode.window.onDidChangeWindowState(({ focused }) => focused && this.#later()));
    this.add(
      vscode.workspace.onDidSaveTextDocument(({ uri }) => {
        if (this.places().some(({ path }) => path === uri.fsPath)) this.#later();
      }),
    );
    this.add({ dispose: () => this.#timer?.cancel() });
    this.#watch();
    void this.reload();
  }

  get clusters(): readonly ClusterRef[] {
    return this.#clusters;
  }

  get files(): readonly FileState[] {
    return this.#files;
  }

  find(id: string): ClusterRef | undefined {
    return this.#clusters.find((each) => each.id === id);
  }

  /** The cluster that a run or a task names; with its file where that is known. */
  byName(name: string, file?: string): ClusterRef | undefined {
    const named = this.#clusters.filter((each) => each.cluster.name === name || each.label === name);
    return named.find((each) => each.file.path === file) ?? (file === undefined ? named[0] : undefined);
  }

  /** A name for the cluster of a run that no other cluster has in this window. */
  labelOf(name: string, file: string): string {
    return this.byName(name, file)?.label ?? `${name} (${file})`;
  }

  /** Reads all files again. */
  async reload(): Promise<void> {
    this.#reading = this.#reading.then(() => this.#read());
    return this.#reading;
  }

  /** The files that are looked at, whether they exist or not. */
  places(): { path: string; folder: vscode.WorkspaceFolder | undefined }[] {
    const folders = (vscode.workspace.workspaceFolders ?? []).filter((each) => each.uri.scheme === 'file');
    const places: { path: string; folder: vscode.WorkspaceFolder | undefined }[] = folders.map((folder) => ({
      path: join(folder.uri.fsPath, '.vscode', 'clusters.json'),
      folder,
    }));
    const own = ownPath();
    return own === undefined || places.some(({ path }) => path === own)
      ? places
      : [...places, { path: own, folder: undefined }];
  }

  #watch(): void {
    this.#watchers.dispose();
    this.#watchers = this.add(new Store());
    for (const { path, folder } of this.places()) {
      // A folder may have no .vscode yet: watched from above, the file is seen when it comes. What is written into a new
      // folder at once is told as the new folder alone, now and then.
      const pattern = folder
        ? new vscode.RelativePattern(folder, '{.vscode,.vscode/clusters.json}')
        : new vscode.RelativePattern(vscode.Uri.file(dirname(path)), basename(path));
      const watcher = this.#watchers.add(vscode.workspace.createFileSystemWatcher(pattern));
      for (const event of [watcher.onDidChange, watcher.onDidCreate, watcher.onDidDelete]) {
        this.#watchers.add(event(() => this.#later()));
      }
    }
  }

  #later(): void {
    this.#timer?.cancel();
    this.#timer = after(SETTLE_MS, () => void this.reload());
  }

  async #read(): Promise<void> {
    this.#files = vscode.workspace.isTrusted ? await Promise.all(this.places().map(readFile)) : [];
    const found = this.#files.flatMap(({ file, folder }) =>
      (file?.clusters ?? []).map((cluster) => ({ cluster, file, folder })),
    );
    const labels = labelsOf(
      found.map(({ cluster, folder }) => ({ name: cluster.name, folder: folder?.name, file: cluster.file })),
    );
    this.#clusters = found.flatMap(({ cluster, file, folder }, index) =>
      file ? [{ id: `${file.path}#${cluster.name}`, label: labels[index] ?? cluster.name, cluster, file, folder }] : [],
    );
    if (!this.disposed) this.#changed.fire();
  }
}

/** The user's own file. */
function ownPath(): string | undefined {
  const configured = setting('configFile');
  if (configured !== '') return configured;
  return userClustersPath({ env: process.env, platform: process.platform });
}

async function readFile(place: { path: string; folder: vscode.WorkspaceFolder | undefined }): Promise<FileState> {
  try {
    await vscode.workspace.fs.stat(vscode.Uri.file(place.path));
  } catch {
    return { ...place, file: undefined, exists: false, problems: [] };
  }
  try {
    const { checkClusters, readClustersText } = await import(/* webpackChunkName: "readers" */ '../shared/readers');
    const { file, problems } = checkClusters(await readClustersText(place.path), place.path);
    return { ...place, file, exists: true, problems };
  } catch (error) {
    const problems = error instanceof ClusterliftError ? [error] : [];
    return { ...place, file: undefined, exists: true, problems };
  }
}
