/**
 * What a person takes on with `--override`: the code of a check, for all nodes (`downgrade`) or for one
 * (`foreign-point=n3`). Plans and journals keep it as it was written.
 */

/** Does an override cover this finding? The bare code covers all nodes. */
export function isOverridden(overrides: readonly string[], code: string, node: string | undefined): boolean {
  return overrides.includes(code) || (node !== undefined && isOverriddenFor(overrides, code, node));
}

/** The node that an override names; undefined: it holds for all. */
export function overriddenNode(override: string): string | undefined {
  return override.split('=')[1];
}

/** For what a person must say of each node by its name: the bare code covers none. */
export function isOverriddenFor(overrides: readonly string[], code: string, node: string): boolean {
  return overrides.includes(`${code}=${node}`);
}
