import { workspace } from 'vscode';

/** Every setting of the extension with its type; package.json has defaults, scopes and descriptions. */
interface Settings {
  readonly configFile: string;
  readonly refreshOnShow: boolean;
  readonly nodeOutputs: 'auto' | 'onDemand';
  readonly notifications: 'all' | 'failures' | 'none';
  readonly rememberSecrets: 'ask' | 'never';
  readonly 'terminal.appendOnly': 'auto' | 'on' | 'off';
}

const DEFAULTS: Settings = {
  configFile: '',
  refreshOnShow: true,
  nodeOutputs: 'auto',
  notifications: 'all',
  rememberSecrets: 'ask',
  'terminal.appendOnly': 'auto',
};

/** The value of a setting; what is of another type than it should be counts as not set. */
export function setting<K extends keyof Settings>(key: K): Settings[K] {
  const value: unknown = workspace.getConfiguration('clusterlift').get(key);
  return typeof value === typeof DEFAULTS[key] ? (value as Settings[K]) : DEFAULTS[key];
}
