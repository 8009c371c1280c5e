import { hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import * as vscode from 'vscode';
import { stateHome } from '../../base/paths';
import type { Launcher } from '../../service/spawn';

/** How our processes are started from this window. The proxy that the editor is told to use is handed on. */
export function launcherOf(context: vscode.ExtensionContext): Launcher {
  return {
    execPath: process.execPath,
    script: join(context.extensionPath, 'dist', 'cli.js'),
    stateHome: stateHome(process.env),
    get env() {
      return withProxy(process.env);
    },
  };
}

/** Who asks: `user@host`. */
export function me(): string {
  return `${userInfo().username}@${hostname()}`;
}

function withProxy(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const proxy: unknown = vscode.workspace.getConfiguration('http').get('proxy');
  const known = ['http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY'].some((name) => (env[name] ?? '') !== '');
  if (typeof proxy !== 'string' || proxy === '' || known) return env;
  return { ...env, HTTP_PROXY: proxy, HTTPS_PROXY: proxy };
}
