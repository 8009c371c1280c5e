import { basename, dirname } from 'node:path';

/** Which file a cluster comes from, for its name in the views. */
export interface Named {
  readonly name: string;
  /** Name of the workspace folder; undefined: the user's own file. */
  readonly folder: string | undefined;
  readonly file: string;
}

/** The names as shown: the same name twice shows as `folder/name`. */
export function labelsOf(clusters: readonly Named[], own = 'user'): string[] {
  const twice = (label: string, labels: readonly string[]): boolean =>
    labels.filter((each) => each === label).length > 1;
  const names = clusters.map(({ name }) => name);
  const withFolder = clusters.map(({ name, folder }) => (twice(name, names) ? `${folder ?? own}/${name}` : name));
  // Two folders of one name: the folder around them tells them apart.
  return clusters.map(({ name, folder, file }, index) => {
    const label = withFolder[index] ?? name;
    if (!twice(label, withFolder)) return label;
    return `${basename(dirname(dirname(dirname(file))))}/${folder ?? own}/${name}`;
  });
}
