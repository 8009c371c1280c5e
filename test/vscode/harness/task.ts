import type { Workbench } from './workbench';

/** Runs a task of tasks.json by its label. A file that was just written is not known at once: it is asked for again. */
export async function runTask(workbench: Workbench, label: string): Promise<void> {
  await workbench.pickFrom('Tasks: Run Task', label);
}
