/**
 * Ctrl-C: the first asks the run to stop (begun nodes are finished), the second detaches (130),
 * a third ends the process whatever hangs.
 */
export interface InterruptEffects {
  /** Called once, on the first press. */
  onStop(): void;
  /** Called once, on the second press. */
  onDetach(): void;
  /** Called from the third press on. */
  onForce?(): void;
}

/** A terminal sends it by SIGINT, a prompt in raw mode by the key; SIGTERM is the same request from a service manager. */
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

type SignalSource = Pick<NodeJS.Process, 'on' | 'off'>;

export class Interrupts {
  readonly #stop = new AbortController();
  readonly #detach = new AbortController();
  readonly #source: SignalSource;
  #presses = 0;
  #effects: InterruptEffects;

  constructor(effects: InterruptEffects, source: SignalSource = process) {
    this.#effects = effects;
    this.#source = source;
    for (const signal of SIGNALS) source.on(signal, this.press);
  }

  /** Aborts with the first press. */
  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  /** Aborts with the second press. */
  get detach(): AbortSignal {
    return this.#detach.signal;
  }

  readonly press = (): void => {
    this.#presses++;
    if (this.#presses === 1) {
      this.#stop.abort();
      this.#effects.onStop();
    } else if (this.#presses === 2) {
      this.#detach.abort();
      this.#effects.onDetach();
    } else {
      this.#effects.onForce?.();
    }
  };

  /** Gives the signals back to their former handlers. */
  dispose(): void {
    for (const signal of SIGNALS) this.#source.off(signal, this.press);
  }
}
