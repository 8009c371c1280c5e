/** Anything that has to be released. */
export interface Disposable {
  dispose(): unknown;
}

/** Keeps disposables together; one that is added after the end is disposed of at once. */
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
