/** Anything that has to be let go of. */
export interface Disposable {
  dispose(): unknown;
}

/** Keeps disposables together; what is added after the end is let go of at once. */
export class Store implements Disposable {
  readonly #things = new Set<Disposable>();
  #disposed = false;

  add<T extends Disposable>(thing: T): T {
    if (this.#disposed) thing.dispose();
    else this.#things.add(thing);
    return thing;
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  /** The youngest first: what was built on others goes before them. */
  dispose(): void {
    this.#disposed = true;
    for (const thing of [...this.#things].reverse()) thing.dispose();
    this.#things.clear();
  }
}
