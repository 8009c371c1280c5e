/** Names the holder of a lock in every command that changes something. */
export interface Fence {
  readonly run: string;
  readonly epoch: number;
  /** The node that it was taken for: its address may lead to another one by now. */
  readonly node?: string;
}

/** `EPOCH[:NODE]`, as `fence` and `holds` in lib.sh read it. Pure. */
export function epochArgument({ epoch, node }: Fence): string {
  return node === undefined ? String(epoch) : `${String(epoch)}:${node}`;
}
