export interface Step {
  readonly name: string;
  readonly command: readonly string[];
  /** Its tests are counted one by one. */
  readonly mocha?: boolean;
  /** Steps that must have ended before. */
  readonly after?: readonly string[];
  /** Steps that must have ended well before. */
  readonly needs?: readonly string[];
  /** Of the steps with the same word, only one runs at a time. */
  readonly one?: string;
  /** Its deadline. */
  readonly minutes: number;
  /** How long a suite may live on after its last test (ms). */
  readonly grace?: number;
}

export interface Result {
  readonly step: Step;
  readonly ms: number;
  readonly passed: number;
  readonly failed: string[];
  readonly skipped: string[];
  readonly output: string;
}

export function runStep(
  step: Step,
  context: { readonly root: string; readonly dir: string; readonly env: NodeJS.ProcessEnv },
): Promise<Result>;
export function killAll(): void;
