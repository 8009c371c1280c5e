import { until } from './until';
import type { Workbench } from './workbench';

/** Runs a task of tasks.json by its label. A file that was just written is not known at once: it is asked for again. */
export async function runTask(workbench: Workbench, label: string): Promise<void> {
  await until(
    `the task ${label}`,
    async () => {
      await workbench.command('Tasks: Run Task');
      const pick = await workbench.quickInput().open();
      try {
        await until(label, async () => (await pick.items()).some((item) => item.label === label), 5000);
      } catch {
        await pick.cancel();
        return false;
      }
      await pick.choose(label);
      return true;
    },
    60_000,
  );
}
