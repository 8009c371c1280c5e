import * as vscode from 'vscode';
import type { RunView } from '../../engine/journal/view';
import { Store } from '../shared/store';
import type { RunEventList, RunSession } from './session';

/** What an attached run just did. */
export interface HubEvents {
  readonly session: RunSession;
  readonly view: RunView;
  readonly folder: string;
  readonly events: RunEventList;
}

/** The runs that this window is attached to; channels, status bar and trees listen here. */
export class RunHub extends Store {
  readonly #sessions = new Set<RunSession>();
  readonly #resuming = new Set<string>();
  readonly #events = this.add(new vscode.EventEmitter<HubEvents>());
  readonly onEvents = this.#events.event;
  readonly #changed = this.add(new vscode.EventEmitter<void>());
  readonly onDidChange = this.#changed.event;

  /** @returns what takes it out again */
  join(session: RunSession): vscode.Disposable {
    this.#sessions.add(session);
    const listeners = [
      session.onPlanned(() => this.#changed.fire()),
      session.onEvents((events) => {
        const { view, folder } = session;
        if (view && folder !== undefined) this.#events.fire({ session, view, folder, events });
      }),
    ];
    return new vscode.Disposable(() => {
      for (const each of listeners) each.dispose();
      this.#sessions.delete(session);
      this.#changed.fire();
    });
  }

  /** This window goes on with a run whose process died: nobody needs to be told. @returns what ends that */
  resumes(run: string): vscode.Disposable {
    this.#resuming.add(run);
    return new vscode.Disposable(() => this.#resuming.delete(run));
  }

  resuming(run: string): boolean {
    return this.#resuming.has(run);
  }

  /** Live view of a run, with the progress of the moment. */
  view(run: string): RunView | undefined {
    return [...this.#sessions].find(({ view }) => view?.run === run)?.view;
  }

  views(): RunView[] {
    return [...this.#sessions].flatMap(({ view }) => view ?? []);
  }
}
