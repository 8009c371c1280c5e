import type { Location } from './points/location';
import { type ConnectServer, SftpServer } from './stores/sftp-client';
import type { Store } from './points/store';
import { DirectoryStore } from './stores/directory';
import { ResticStore } from './stores/restic';
import { SftpStore } from './stores/sftp';

/** What stores need from outside. */
export interface StoreSite {
  /** `Connector.server` of the ssh room. */
  server(host: string, port: number | undefined, user: string | undefined): ConnectServer;
  /** The password of a restic repository: from the environment, else asked for; the caller remembers it. */
  resticPassword(location: string, repository: string): Promise<string>;
}

/** The store of a location. Nothing is connected before its first use. */
export function openStore(location: Location, site: StoreSite): Store {
  switch (location.kind) {
    case 'directory':
      return new DirectoryStore(location);
    case 'sftp':
      return new SftpStore(
        location,
        new SftpServer(location.host, site.server(location.host, location.port, location.user)),
      );
    case 'restic':
      return new ResticStore(location, () => site.resticPassword(location.name, location.repository));
  }
}

/** The directory of a location on a node, when it lies there: it must not be swapped away, nor backed up into itself. */
export function locationOnNode(location: Location, stateDir: string): string | undefined {
  switch (location.kind) {
    case 'directory':
      return location.path ?? `${stateDir}/backups`;
    case 'sftp':
      return undefined;
    case 'restic':
      return location.repository.startsWith('/') ? location.repository : undefined;
  }
}
