import { codeSet, type ReadCode } from '../../base/catalogue';
import { isOverridden } from '../../base/overrides';
import type { CheckResult } from '../journal/plan';

export type Finding = Omit<CheckResult, 'overridden'>;

/** Blocks that no override helps against: nothing can be done with such a node or package. */
const FIRM = codeSet(
  'host-unreachable',
  'auth-failed',
  'host-key-unknown',
  'host-key-changed',
  'host-key-revoked',
  'no-common-algorithm',
  'become-refused',
  'become-password-wrong',
  'become-password-missing',
  'locked',
  'machine-twice',
  'state-shared',
  'state-noexec',
  'state-read-only',
  'state-foreign',
  'version-script',
  'version-output',
  'installed-invalid',
  'kill-user-processes',
  'tools-missing',
  'link-lost',
  'node-timeout',
  'backup-write',
  'backup-read',
);
/** Never overridden: paths that must not be swapped (docs/backups.md), a location that does not work, a broken point, and the like. */
const FIRM_KINDS = /^(path|server|restic|point|tar|zstd)-/;

/** Findings of any kind as results of the checks. */
export function judged(findings: readonly Finding[], overrides: readonly string[]): CheckResult[] {
  return findings.map((finding) => ({
    ...finding,
    overridden:
      finding.level === 'block' && !isFirm(finding.code) && isOverridden(overrides, finding.code, finding.node),
  }));
}

/** Does no override help against it? */
export function isFirm(code: string): boolean {
  return FIRM.has(code) || FIRM_KINDS.test(code);
}

/** Blocks that stand. */
export function blocksOf(checks: readonly CheckResult[]): CheckResult[] {
  return checks.filter((check) => check.level === 'block' && !check.overridden);
}

export function block(code: ReadCode, node: string | undefined, message: string, fix: string): Finding {
  return { code, level: 'block', node, path: undefined, message, fix };
}

export function warn(code: ReadCode, node: string | undefined, message: string, fix: string): Finding {
  return { ...block(code, node, message, fix), level: 'warn' };
}
